"""Job: align. Usage: `--config FILE [--set a.b=c] [--dry-run] [--dump-config]`."""

from vimu.stages.align import STAGE
from vimu.stages.job import run_stage

if __name__ == "__main__":
    run_stage(STAGE)
