"""Job: interpret. Usage: `--config configs/lanhar_hapt.yaml [--set a.b=c] [--dry-run] [--dump-config]`."""

from vimu.stages.interpret import STAGE
from vimu.stages.job import run_stage

if __name__ == "__main__":
    run_stage(STAGE)
