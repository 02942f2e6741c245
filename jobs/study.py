"""Job: study. Usage: `--config configs/studies/placements.yaml [--set a=b] [--dry-run] [--dump-config]`."""

from vimu.stages.job import run_job
from vimu.stages.study import run_study
from vimu.tuning.study import PlacementStudy

if __name__ == "__main__":
    run_job(run_study, "vimu study: `python jobs/study.py --config configs/studies/placements.yaml`", PlacementStudy)
