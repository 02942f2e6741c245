"""Job: export. Usage: `--config FILE [--set a.b=c] [--dry-run] [--dump-config]`."""

from vimu.stages.export import STAGE
from vimu.stages.job import run_stage

if __name__ == "__main__":
    run_stage(STAGE)
