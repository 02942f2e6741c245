"""What tuning found, for the stages after it."""

from typing import Any

from vimu.stages.config import Config
from vimu.stages.stage import input_identity, upstream


def tuned(config: Config) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The winning settings by section, and tuning's part of an identity; both empty where tuning is left out.

    Raises:
        UserError: tuning is configured but not published yet.
    """
    if config.tune is None:
        return {}, {}
    published = upstream(config, "tune")
    return published.details["winner"], input_identity(published)
