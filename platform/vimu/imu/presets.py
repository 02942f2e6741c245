"""How acceleration is taken from positions, by name: what the field's programs do, as `configs/presets.yaml`.

    take's rate            rate of the difference                                    output rate
    positions  --resample-->  p(t-h) + p(t+h) - 2 p(t)  --resample-->  mean over `mean_s`  -->  acc
                              ------------------------
                                        h^2

`decimate_first`: the difference is taken at the output rate, so the second resampling falls away.
`difference_first`: it is taken at `difference_hz`, or at the take's own rate.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from vimu.runtime.config import Section, configs_folder, validate
from vimu.runtime.errors import UserError, listed
from vimu.runtime.yaml import read_yaml

Order = Literal["decimate_first", "difference_first"]


class Preset(Section):
    """One way to take acceleration. All lengths are in seconds, so that it means the same at any rate."""

    smoothing_s: NonNegativeFloat
    """Half-width h of the second difference. It lets pass sinc^2(f h), -3 dB at 1 / (pi h). 0: one frame."""
    order: Order
    """Which comes first on the way to the output rate."""
    difference_hz: PositiveFloat | None = None
    """Under `difference_first`, the rate at which the difference is taken; None is the take's own."""
    resampling: Literal["band_limited", "unfiltered"]
    """`unfiltered`: what lies above half the new rate aliases. Every k-th frame is taken where the rates divide;
    elsewhere positions go by a quintic spline, and accelerations by straight lines between neighbours."""
    mean_s: NonNegativeFloat = 0.0
    """Width of the moving average over acceleration at the output rate; 0: none."""
    betas: Literal["file", "zero"]
    """`zero`: every body is the mean body."""
    trans: Literal["file", "zero"]
    """`zero`: the pelvis stays in place, so that acceleration lacks the whole body's."""
    rate_hz: PositiveFloat
    """Output rate of the program it stands for; what `rate_hz="preset"` gives."""
    placements: Annotated[tuple[str, ...], Field(min_length=1)]
    """Its own sensors, in its order."""
    evidence: dict[str, str]
    """Where each field comes from, by field."""

    @model_validator(mode="after")
    def _consistent(self) -> "Preset":
        if self.difference_hz is not None and self.order != "difference_first":
            raise ValueError("`difference_hz` must be left out unless `order` is `difference_first`")
        given = self.model_fields_set - {"evidence"}
        if given != set(self.evidence):
            raise ValueError(f"`evidence` must be given for each field, which are {listed(given)}")
        return self

    def span_frames(self, rate_hz: float) -> float:
        """Half-width of the difference in frames at `rate_hz`; need not be whole."""
        return self.smoothing_s * rate_hz or 1.0


def load_preset(name: str, *, smoothing_s: float | None = None, order: Order | None = None) -> Preset:
    """The preset `name` of `configs/presets.yaml`, with `smoothing_s` or `order` in place of its own if given.

    Args:
        name: or the path of a YAML file that holds the fields of one preset.

    Raises:
        UserError: there is none of that name (the message lists those there are), or an override is no valid value.
    """
    if name.endswith((".yaml", ".yml")):
        preset = validate(Preset, read_yaml(Path(name)), where=name)
    else:
        path = configs_folder() / "presets.yaml"
        raw = _read(path)
        if name not in raw:
            raise UserError(f"`preset` must be one of {listed(raw)}, or the path of a YAML file, but is `{name}`.")
        preset = _preset(path, name)
    if smoothing_s is None and order is None:
        return preset
    given = {"smoothing_s": smoothing_s, "order": order if order != preset.order else None}
    changes = {key: value for key, value in given.items() if value is not None}
    fields = preset.model_dump(exclude_unset=True) | changes
    if "order" in changes:
        fields.pop("difference_hz", None)  # the rate between the two steps belongs to the anchor's own order
    evidence = preset.evidence | dict.fromkeys(changes, "Given in place of the preset's.")
    fields["evidence"] = {key: text for key, text in evidence.items() if key in fields}
    return validate(Preset, fields, where=f"preset `{name}` with `smoothing_s` and `order` as given")


def placement_names(placements: Sequence[str] | str) -> tuple[str, ...]:
    """`placements` as they are, or, for the name of a preset, that preset's own.

    Raises:
        UserError: a single name that is no preset's.
    """
    if not isinstance(placements, str):
        return tuple(placements)
    shipped = _read(configs_folder() / "presets.yaml")
    if placements not in shipped and not placements.endswith((".yaml", ".yml")):
        raise UserError(
            f"`placements` must be a list of names, e.g. ['{placements}'], or a preset whose sensors are meant "
            f"({listed(shipped)}), but is `{placements}`."
        )
    return load_preset(placements).placements


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[str, object]:
    return read_yaml(path)


@lru_cache(maxsize=64)
def _preset(path: Path, name: str) -> Preset:
    return validate(Preset, _read(path)[name], where=f"preset `{name}` of {path}")
