"""What the experiments on all people would cost, for a dry run: by a short fit of each method, in this process."""

from vimu.stages.budget import budget_of, probed_here
from vimu.stages.config import Config
from vimu.stages.crossval import Work
from vimu.stages.stage import Plan
from vimu.tuning.rows import PRETRAINING


def estimate(config: Config, plan: Plan[Work]) -> str:  # noqa: ARG001 - what every job's estimate is given
    """A sentence: CPU minutes of all fits, by kind. Without Ray; nothing is written.

    Windows of an ablation that are not cut yet count as many as the run's own.
    """
    assert plan.work is not None
    work = plan.work
    own = work.sides[PRETRAINING]
    sides = {fit.windows: own for fit in work.fits} | work.sides
    costs = budget_of(work.fits, sides, work.folds, None, probe=probed_here)
    kinds = ", ".join(f"{cost.name} {cost.cpu_minutes:.1f}" for cost in costs)
    return (
        f"about {sum(cost.cpu_minutes for cost in costs):.1f} CPU minutes for all fits, by a short one of each method "
        f"here: {kinds}"
    )
