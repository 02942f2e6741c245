"""All stages in turn, in one Ray session; those already published are left alone."""

from typing import Any

from vimu.runtime.console import console
from vimu.runtime.published import SUCCESS
from vimu.runtime.session import ray_session
from vimu.runtime.status import reported
from vimu.runtime.storage import absolute
from vimu.serving.onnx_model import require_exporter
from vimu.stages import crossval, evaluate, export, finetune, prepare, pretrain, synthesize, tune
from vimu.stages.config import Config
from vimu.stages.inputs import PIPELINE, require_inputs
from vimu.stages.job import announce, conclude, exit_code_of
from vimu.stages.stage import Stage


def stages(config: Config) -> list[Stage[Any]]:
    """The stages that a configuration asks for, in order; tuning comes before what its winner sets."""
    middle = [tune.STAGE] if config.tune is not None else []
    first = [synthesize.STAGE] if config.preparation.clips is None else []
    last = [export.STAGE] if config.export is not None else []
    all_people = [crossval.STAGE] if config.crossval is not None else []
    return [*first, prepare.STAGE, *middle, pretrain.STAGE, finetune.STAGE, *all_people, evaluate.STAGE, *last]


def run_pipeline(config: Config, config_path: str, dry_run: bool) -> None:
    """Plan and run each stage. `--dry-run` shows plans as far as their inputs are published."""
    require_inputs(config, PIPELINE, config_path)
    if config.export is not None:
        require_exporter()  # not when all else is done
    if dry_run:
        for stage in stages(config):
            console.print(f"  {stage.state(config, announce(stage, config))}", markup=False)
            if not (config.run_dir / stage.name / SUCCESS).is_file():
                console.print(f"  plans of later stages need what `{stage.name}` publishes")
                return
        return
    with reported(config.run_dir, PIPELINE, exit_code_of), ray_session(config.ray, config.resources):
        for stage in stages(config):
            conclude(stage.run(config, announce(stage, config), config_path))
    console.print(f"report: {absolute(config.run_dir / 'evaluate' / 'report.html')}")
