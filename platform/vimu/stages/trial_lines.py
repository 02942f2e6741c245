"""A line for each trial that ends. A module of its own: Ray Tune pickles its callbacks by reference to one."""

from typing import Any

from ray import tune

from vimu.runtime.console import console


class TrialLines(tune.Callback):  # type: ignore[misc]
    """Says how each trial ended."""

    def __init__(self, n_trials: int, metric: str) -> None:
        self.n_trials, self.metric, self.n_ended = n_trials, metric, 0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """Ray Tune's hook."""
        score = (trial.last_result or {}).get(self.metric)
        self._say(f"{self.metric} {score:.3f}" if score is not None else "no score", trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """Ray Tune's hook."""
        self._say("failed", trial)

    def _say(self, outcome: str, trial: Any) -> None:
        self.n_ended += 1
        shown = "  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in trial.config.items())
        console.print(f"  trial {self.n_ended}/{self.n_trials}  {outcome}  {shown}", markup=False)
