"""Job: the whole way, from mocap archives to evaluated recognisers.

Usage: python jobs/pipeline.py --config configs/open.yaml [--set a.b=c] [--dry-run] [--dump-config]
"""

from vimu.stages.job import run_job
from vimu.stages.pipeline import run_pipeline

if __name__ == "__main__":
    run_job(run_pipeline, "vimu pipeline: every stage in turn, those already published left alone.")
