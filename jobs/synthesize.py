"""Job: synthesize. Usage: `--config FILE [--set a.b=c] [--update] [--dry-run] [--dump-config]`."""

from vimu.stages.estimate import estimate
from vimu.stages.job import run_stage
from vimu.stages.synthesize import STAGE

if __name__ == "__main__":
    run_stage(STAGE, estimate)
