"""A run's clips as `synthesize` publishes them, made in this process: for tests that look at clips, not at Ray."""

from vimu.runtime.publish import publish
from vimu.runtime.published import Published
from vimu.stages import synthesize
from vimu.stages.config import Config
from vimu.stages.synthesize_task import run_task


def synthesized(config: Config) -> Published:
    """Publish `config`'s clips, or find them published; no task is left for Ray."""
    plan = synthesize.plan(config)

    def build(staging, previous):
        for item in synthesize.tasks_of(config, staging):
            run_task(item)
        return synthesize.build(config, plan, staging)

    identity = {"stage": synthesize.NAME, **plan.identity}
    return publish(config.run_dir / synthesize.NAME, identity=identity, build=build, made_by="-", workers_write=True)
