"""Job: crossval. Usage: `--config FILE [--set a.b=c] [--dry-run] [--dump-config]`."""

from vimu.stages.crossval import STAGE
from vimu.stages.crossval_estimate import estimate
from vimu.stages.job import run_stage

if __name__ == "__main__":
    run_stage(STAGE, estimate)
