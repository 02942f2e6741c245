"""Settings of the interpretation of windows."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from vimu.runtime.config import Section, Seed
from vimu.runtime.storage import LocationSetting

VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class EndpointSettings(Section):
    """An OpenAI-compatible endpoint: vLLM, Ollama, a hosted one."""

    base_url: str
    """Up to and with the version, e.g. `http://localhost:8000/v1`; `/chat/completions` is added."""
    model: str
    """As the endpoint calls it."""
    api_key_env: str | None = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; null for an endpoint without one. The key itself is never
    a setting."""
    temperature: NonNegativeFloat = 0.0
    max_tokens: PositiveInt = 900
    """Of an answer."""
    seed: Seed | None = None
    """Sent where given: not every endpoint takes one."""
    json_mode: bool = True
    """Asks for `response_format: json_object`."""
    concurrency: PositiveInt = 8
    """Requests under way at once. A killed run repeats at most so many."""
    requests_per_minute: PositiveFloat = 300.0
    timeout_s: PositiveFloat = 120.0
    """Of one request."""
    max_tries: PositiveInt = 6
    """Of one request, where the endpoint is busy (408, 409, 425, 429), fails (5xx) or breaks off."""
    backoff_s: PositiveFloat = 1.0
    """Before the second try; doubles with each, up to `max_backoff_s`. `Retry-After` comes before it."""
    max_backoff_s: PositiveFloat = 120.0
    give_up_after: PositiveInt = 5
    """Requests in a row that got no answer in all their tries: the endpoint is down, and the run stops."""
    token_budget: PositiveInt | None = None
    """Tokens, asked and answered, that a run may use; it stops before the call that could exceed it."""
    usd_per_million_in: NonNegativeFloat = 0.0
    """Price of tokens asked, for the summary."""
    usd_per_million_out: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _no_secrets(self) -> "EndpointSettings":
        # on the section, so that the message does not quote what may be a key
        if self.api_key_env is not None and not VARIABLE.match(self.api_key_env):
            raise ValueError("`api_key_env` must be the name of an environment variable, but is something else: a key?")
        if not re.match(r"^https?://[^/@\s?#]+(/[^@\s?#]*)?$", self.base_url):
            raise ValueError("`base_url` must be `http(s)://host[:port]/path` without credentials or query")
        return self

    def of_answers(self) -> dict[str, object]:
        """The settings that answers depend on; the others may change between a run and its resumption."""
        kept = {"base_url", "model", "temperature", "max_tokens", "seed", "json_mode"}
        return self.model_dump(mode="json", include=kept)


class JudgeSettings(Section):
    """When an interpretation is accepted."""

    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """By how much a quoted number may differ from its feature."""
    n_neighbours: PositiveInt = 15
    """Windows of like features that a text is compared with."""
    n_mads: PositiveFloat = 3.0
    """Median absolute deviations below the median similarity that are flagged."""
    max_rounds: Annotated[int, Field(ge=1, le=10)] = 3
    """Times that an endpoint writes a window's interpretation before the rules' own is taken."""


class SemanticsSettings(Section):
    """Windows -> features -> interpretations."""

    sensor: str | None = None
    """Which sensor of the windows is interpreted; None: their only one."""
    backend: Literal["rules", "openai"] = "rules"
    """`rules`: fixed thresholds; `openai`: the endpoint."""
    rules_file: Path | None = None
    """Thresholds and words in place of `configs/semantics/rules.yaml`."""
    labels_file: Path | None = None
    """Activities, their words and texts, in place of `configs/semantics/labels.yaml`."""
    prompts: Path | None = None
    """Folder of prompts in place of `configs/semantics/prompts`."""
    written_label_texts: Annotated[int, Field(ge=0, le=20)] = 0
    """Texts an activity that the endpoint writes beside the file's."""
    endpoint: EndpointSettings | None = None
    """Needed by `openai`."""
    judge: JudgeSettings | None = JudgeSettings()
    """null takes every text that can be read: the ablation without judge."""
    cache: LocationSetting | None = None
    """Where answers are kept; None: `.interpretations` beside the runs. Runs may share it."""

    @model_validator(mode="after")
    def _endpoint_given(self) -> "SemanticsSettings":
        if self.backend == "openai" and self.endpoint is None:
            raise ValueError("`endpoint` must be given where `backend` is `openai`")
        if self.written_label_texts and self.backend != "openai":
            raise ValueError("`written_label_texts` must be 0 where `backend` is `rules`, which writes none")
        return self

    @property
    def max_rounds(self) -> int:
        """Times that a text is written: once where nobody judges it."""
        return 1 if self.judge is None else self.judge.max_rounds

    def of_texts(self) -> dict[str, object]:
        """The settings that texts depend on: not how fast, how dear or where answers are kept."""
        kept = {"backend", "written_label_texts", "judge"}
        endpoint = self.endpoint if self.backend == "openai" else None
        return self.model_dump(mode="json", include=kept) | {
            "endpoint": None if endpoint is None else endpoint.of_answers()
        }
