"""What people decided on takes, in a CSV that diffs and merges line by line: one decision a row, sorted.

    archive,sequence,decision,value,by,note
    amass,KIT/3/walk_fast01_poses,relabel,running,bob,runs from the second step
    amass,KIT/3/wave_left02_poses,drop,,ann,sits

A row names a take by archive and path, as the clips table does (`archive`, `sequence`): synthesizing again with other
settings leaves that as it is. Two people's files become one by

    python -m vimu.clips.decisions ann.csv bob.csv --into decisions.csv
"""

import csv
import io
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from vimu.archives.amass import MAX_RATE_HZ, MIN_RATE_HZ
from vimu.archives.take import PART
from vimu.runtime.errors import UserError, listed
from vimu.runtime.exit_codes import exit_codes
from vimu.runtime.storage import write_whole

COLUMNS = ("archive", "sequence", "decision", "value", "by", "note")
IN_RUN = "decisions.csv"
"""Where a review of a run puts them, in the run's folder."""
DECISIONS = ("keep", "drop", "relabel", "rate")

Key = tuple[str, str, str]
"""Archive, sequence, and what is decided: `rate`, or `label` for the other decisions, of which a take has one."""


@dataclass(frozen=True)
class Decision:
    """One row."""

    archive: str
    sequence: str
    decision: str
    """`keep`: looked at, and right; `drop`; `relabel`; `rate`: the file's rate is wrong."""
    value: str = ""
    """The category of a `relabel`, Hz of a `rate`."""
    by: str = ""
    """Who decided."""
    note: str = ""
    """Why."""

    @property
    def key(self) -> Key:
        return self.archive, self.sequence, "rate" if self.decision == "rate" else "label"

    @property
    def verdict(self) -> tuple[str, str]:
        """What decisions on one key must agree on."""
        return self.decision, self.value

    def __str__(self) -> str:
        return " ".join(filter(None, (self.decision, self.value))) + f" ({self.by})"


Conflict = tuple[Decision, Decision]


def read_decisions(file: Path, categories: Collection[str] | None = None) -> tuple[Decision, ...]:
    """The decisions of a file, sorted; rows may stand in any order, and agreeing ones become one.

    Args:
        categories: what a take may be relabelled as; None for any name.

    Raises:
        UserError: with all that is wrong with the file, by line: it is missing or has other columns; a row without
            archive, sequence or `by`; an unknown decision, category or rate; rows on one take that disagree.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:  # spreadsheets write a mark at the beginning
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"`decisions` must be a readable CSV file, but `{file}` is not: {error}.") from error
    problems: list[str] = []
    found: dict[Key, tuple[int, list[Decision]]] = {}
    for number, row in _rows(text, problems):
        problems += [f"line {number}: {problem}" for problem in _problems(row, categories)]
        first_number, agreeing = found.setdefault(row.key, (number, []))
        first = agreeing[0] if agreeing else row
        if first.verdict == row.verdict:
            agreeing.append(row)
        else:
            where = f"lines {first_number} and {number} on `{row.archive}` `{row.sequence}`"
            problems.append(f"{where} must agree, but say {first} and {row}")
    _raise_if(problems, str(file))
    return tuple(_agreed(found[key][1]) for key in sorted(found))


def write_decisions(file: Path, decisions: Iterable[Decision]) -> None:
    """Write a file that `read_decisions` reads: sorted, one row a key, whole or not at all.

    Raises:
        UserError: with all that is wrong with the decisions.
    """
    merged, conflicts = merge(decisions)
    problems = [f"{d.archive} {d.sequence}: {problem}" for d in merged for problem in _problems(d, None)]
    _raise_if(problems + [_sentence(conflict) for conflict in conflicts], str(file))
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    lines.writerows([getattr(decision, column) for column in COLUMNS] for decision in merged)
    write_whole(file, text.getvalue())


def merge(*parts: Iterable[Decision]) -> tuple[tuple[Decision, ...], tuple[Conflict, ...]]:
    """Several people's decisions as one, whatever their order.

    Returns:
        What all agree on, sorted, with everybody's name and note; and the pairs that disagree, whose keys the first
        does not hold.
    """
    rows: dict[Key, list[Decision]] = {}
    disputing: list[Decision] = []
    tidy = (_tidy(decision) for part in parts for decision in part)
    for decision in sorted(tidy, key=lambda d: (d.key, d.verdict, d.by, d.note)):
        agreeing = rows.setdefault(decision.key, [])
        if not agreeing or agreeing[0].verdict == decision.verdict:
            agreeing.append(decision)
        else:
            disputing.append(decision)
    merged = {key: _agreed(rows[key]) for key in sorted(rows)}
    conflicts = tuple((merged[decision.key], decision) for decision in disputing)
    disputed = {decision.key for decision in disputing}
    return tuple(row for key, row in merged.items() if key not in disputed), conflicts


def _agreed(rows: Sequence[Decision]) -> Decision:
    """Rows with one verdict as one row: names and notes of all, each once."""
    if len(rows) == 1:
        return rows[0]
    by, note = (
        PART.join(sorted({part for row in rows for part in getattr(row, column).split(PART)} - {""}))
        for column in ("by", "note")
    )
    return replace(rows[0], by=by, note=note)


def _rows(text: str, problems: list[str]) -> Iterator[tuple[int, Decision]]:
    """Line number and decision of each row that has all columns; the others go to `problems`."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        if tuple(header) != COLUMNS:
            problems.append(f"line 1: must be `{','.join(COLUMNS)}`, but is `{','.join(header)}`")
            return
        for row in lines:
            if len(row) == len(COLUMNS):
                yield lines.line_num, _tidy(Decision(*row))
            elif row:
                problems.append(f"line {lines.line_num}: must have {len(COLUMNS)} fields, but has {len(row)}")
    except csv.Error as error:
        problems.append(f"line {lines.line_num}: must be CSV, but is not ({error})")


def _tidy(row: Decision) -> Decision:
    """A row without blanks around what people write, and a rate in one spelling (`60` for `60.0`)."""
    plain = {column: getattr(row, column).strip() for column in COLUMNS[2:]}
    rate = _number(plain["value"]) if plain["decision"] == "rate" else None
    return replace(row, **plain if rate is None else plain | {"value": f"{rate:.12g}"})


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _problems(row: Decision, categories: Collection[str] | None) -> Iterator[str]:
    """What is wrong with a row by itself."""
    for column in ("archive", "sequence", "by"):
        if not getattr(row, column):
            yield f"`{column}` must be given, but is empty"
    for column in COLUMNS:
        if "\n" in getattr(row, column) or "\r" in getattr(row, column):
            yield f"`{column}` must stand on one line, but does not"
    if row.decision not in DECISIONS:
        yield f"`decision` must be one of {', '.join(DECISIONS)}, but is `{row.decision}`"
    elif row.decision in ("keep", "drop") and row.value:
        yield f"`value` must be empty for a {row.decision}, but is `{row.value}`"
    elif row.decision == "relabel" and not row.value:
        yield "`value` must be the category of a relabel, but is empty"
    elif row.decision == "relabel" and categories is not None and row.value not in categories:
        yield f"`value` must be one of {listed(categories, 30)}, but is `{row.value}`"
    elif row.decision == "rate" and not MIN_RATE_HZ <= (_number(row.value) or math.nan) <= MAX_RATE_HZ:
        yield f"`value` must be a rate of {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz, but is `{row.value}`"


def _sentence(conflict: Conflict) -> str:
    one, other = conflict
    return f"`{one.archive}` `{one.sequence}`: {one} or {other}?"


def _raise_if(problems: Sequence[str], where: str) -> None:
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise UserError(f"{where} has {len(problems)} error{'s' * (len(problems) != 1)}:\n{lines}")


def main(
    files: Annotated[list[Path], typer.Argument(help="Files of decisions; a single one is checked and sorted.")],
    into: Annotated[Path, typer.Option(help="The file to write; may be one of them.")],
) -> None:
    """Merge files of decisions. Where two disagree on a take, they are listed and nothing is written."""
    with exit_codes():
        merged, conflicts = merge(*map(read_decisions, files))
        _raise_if([_sentence(conflict) for conflict in conflicts], "the merge")
        try:
            write_decisions(into, merged)
        except OSError as error:
            raise UserError(f"`--into` must be a file that can be written, but: {error}.") from error
    typer.echo(f"wrote {len(merged)} decisions to {into}")


if __name__ == "__main__":
    typer.run(main)
