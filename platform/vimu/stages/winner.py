"""What tuning found, for the stages after it."""

from vimu.stages.config import Config
from vimu.stages.stage import input_identity, upstream
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.candidate import Candidate


def tuned(config: Config) -> tuple[PretrainSettings, FinetuneSettings, dict[str, str]]:
    """The configuration's settings with the winner's in their place, and tuning's part of an identity.

    Raises:
        UserError: tuning is configured but not published yet.
    """
    if config.tune is None:
        return config.pretrain, config.finetune, {}
    published = upstream(config, "tune")
    winner = Candidate(pretrain=config.pretrain, finetune=config.finetune).having(published.details["winner"])
    return winner.pretrain, winner.finetune, input_identity(published)
