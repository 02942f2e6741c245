"""Job: prepare. Usage: `--config FILE [--set a.b=c] [--dry-run] [--dump-config]`."""

from vimu.stages.job import run_stage
from vimu.stages.prepare import STAGE

if __name__ == "__main__":
    run_stage(STAGE)
