"""Figures of every epoch, for TensorBoard, and for MLflow where the environment names a server of it."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from vimu.runtime.errors import UserError

MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own variable: it is configured where this is set."""
EXPERIMENT = "vimu"


def require_mlflow() -> None:
    """Raises UserError: MLflow is configured but not installed."""
    if importlib.util.find_spec("mlflow") is None:
        raise UserError(
            f"`{MLFLOW_VARIABLE}` is set, so `mlflow` must be installed, but is not: pip install 'vimu[mlflow]', or "
            "unset it."
        )


class Tracker:
    """Writes the epochs of one training run."""

    def __init__(self, folder: Path, *, start_epoch: int, mlflow_uri: str | None, params: Mapping[str, Any]) -> None:
        """Go on in `folder`; what a killed run wrote of `start_epoch` and later is taken back.

        Args:
            mlflow_uri: of a tracking server or folder; None leaves MLflow out.
            params: settings to note there, dotted names.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._board = SummaryWriter(str(folder), purge_step=start_epoch)
        self._mlflow: Any = None
        if mlflow_uri is not None:
            from mlflow.tracking import MlflowClient

            client = MlflowClient(mlflow_uri)
            experiment = client.get_experiment_by_name(EXPERIMENT)
            number = experiment.experiment_id if experiment is not None else client.create_experiment(EXPERIMENT)
            run = client.create_run(number, run_name=folder.resolve().parents[1].name)
            for name, value in params.items():
                client.log_param(run.info.run_id, name, value)
            self._mlflow, self._run = client, run.info.run_id

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """One epoch's figures by name."""
        for name, value in figures.items():
            self._board.add_scalar(name, value, epoch)
            if self._mlflow is not None:
                self._mlflow.log_metric(self._run, name, value, step=epoch)
        self._board.flush()

    def close(self) -> None:
        """All is written, the run has ended."""
        self._board.close()
        if self._mlflow is not None:
            self._mlflow.set_terminated(self._run)
