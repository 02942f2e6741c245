"""Frame rates that files get wrong: a rate twice too high makes accelerations four times too large."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pydantic import PositiveFloat

from vimu.runtime.config import Section

SAME_RATE = 0.01
"""Relative difference below which a file's rate counts as the one given."""


class RateCorrection(Section):
    """Takes whose file states a wrong rate, or one that is in doubt."""

    match: str
    """Glob on `COLLECTION/FOLDER/TAKE`, as `take_name` gives it."""
    file_hz: PositiveFloat | None = None
    """Only where the file states this rate (one release may be right and the other wrong); None for any."""
    rate_hz: PositiveFloat | None
    """The right rate; None where it is in doubt and nobody knows better: the clip's row then says so."""
    certain: bool = True
    """False where the evidence is others' practice only; the clip's row then says so."""
    evidence: str


def corrected_rate(
    file_hz: float, take_name: str | None, corrections: Sequence[RateCorrection]
) -> tuple[float, str | None]:
    """The rate to use for a take, Hz, and a note where that is not simply the file's. The first match counts."""
    for rule in corrections:
        if take_name is None or not fnmatchcase(take_name, rule.match):
            continue
        if rule.file_hz is not None and not _same(file_hz, rule.file_hz):
            continue
        if rule.rate_hz is None:
            return file_hz, f"rate of {file_hz:g} Hz is in doubt ({rule.evidence})"
        if _same(file_hz, rule.rate_hz):
            return file_hz, None
        sure = "" if rule.certain else "probably "
        return rule.rate_hz, f"rate is {sure}{rule.rate_hz:g} Hz, not the file's {file_hz:g} ({rule.evidence})"
    return file_hz, None


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= SAME_RATE * b
