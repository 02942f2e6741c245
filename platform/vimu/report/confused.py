"""The pairs of classes that a result confuses most, with windows in which it did."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from vimu.report.plot import Plot, name_of
from vimu.report.predictions import Predictions
from vimu.report.signals import Curves, curves_of, curves_plot
from vimu.report.tables import Clips, Windows, window_sets
from vimu.runtime.published import Published

MOST_PAIRS = 6
EXAMPLES = 3
LEAST_WINDOWS = 3
"""A pair of fewer predictions is an accident."""


@dataclass(frozen=True)
class Example:
    """A window that was taken for another class."""

    window_id: str
    name: str
    """Clip, as its archive names it, or trial."""
    clip_id: str | None
    """Of a clip: what clip review calls it."""
    subject: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Pair:
    """One class taken for another."""

    truth: str
    said: str
    share: float
    """Of the predictions of windows of `truth`, all seeds."""
    n: int
    examples: tuple[Example, ...]


def confused_pairs(p: Predictions, windows: Windows | None, clips: Clips | None) -> list[Pair]:
    """The pairs with the largest share of the true class's windows, each with its surest mistakes, a source each."""
    of_truth = Counter(p.truth.tolist())
    wrong = Counter(pair for pair in zip(p.truth.tolist(), p.predicted.tolist(), strict=True) if pair[0] != pair[1])
    enough = [(pair, n) for pair, n in wrong.items() if n >= LEAST_WINDOWS]
    ranked = sorted(enough, key=lambda item: (-item[1] / of_truth[item[0][0]], item[0]))[:MOST_PAIRS]
    row_of = {} if windows is None else {name: i for i, name in enumerate(windows.window_id.tolist())}
    clip_of = {} if clips is None else {name: i for i, name in enumerate(clips.clip_id.tolist())}
    return [
        Pair(truth, said, n / of_truth[truth], n, _examples(p, truth, said, windows, row_of, clips, clip_of))
        for (truth, said), n in ranked
    ]


def _examples(
    p: Predictions, truth: str, said: str, windows: Windows | None, row_of: Mapping[str, int], clips: Clips | None,
    clip_of: Mapping[str, int],
) -> tuple[Example, ...]:  # fmt: skip
    at = np.flatnonzero((p.truth == truth) & (p.predicted == said))
    surest = at[np.lexsort((p.window_id[at], -p.probability[at]))]
    found: dict[str, Example] = {}
    for i in surest.tolist():
        window_id = str(p.window_id[i])
        if windows is None or window_id not in row_of:
            continue
        row = row_of[window_id]
        source = str(windows.source_id[row])
        if source in found:
            continue
        start = float(windows.start_frame[row]) / windows.rate_hz
        clip = clip_of.get(source)
        name = source if clip is None or clips is None else f"{clips.archive[clip]}/{clips.sequence[clip]}"
        found[source] = Example(
            window_id, name, None if clip is None else source, str(windows.subject[row]), start,
            start + windows.length_frames / windows.rate_hz, float(p.probability[i]),
        )  # fmt: skip
        if len(found) == EXAMPLES:
            break
    return tuple(found.values())


def pairs_plot(
    p: Predictions, pairs: Sequence[Pair], typical: Mapping[tuple[str, str], Curves], prepared: Published,
    windows: Windows,
) -> Plot | None:  # fmt: skip
    """A row a pair: what is typical of the true class, the surest mistake, what is typical of what it was taken for.

    None where no example's window is there.
    """
    sets = window_sets(prepared, windows, {pair.examples[0].window_id for pair in pairs if pair.examples})
    curves: list[Curves] = []
    for pair in (pair for pair in pairs if pair.examples):
        datasets = windows.dataset[windows.window_id == pair.examples[0].window_id]
        ends = [typical.get((str(datasets[0]), label)) for label in (pair.truth, pair.said)]
        if ends[0] is None or ends[1] is None:
            continue
        between = curves_of(sets[pair.examples[0].window_id], f"{pair.truth} > {pair.said}")
        curves += [ends[0], between, ends[1]]
    if not curves:
        return None
    caption = (
        f"{p.title}. Left: a typical window of the true class. Middle: the surest mistake. Right: a typical window of "
        "the class that it was taken for."
    )
    return curves_plot(name_of("confused", *p.key), caption, curves, across=3, alike=True)


PORT = 8321
"""Of clip review on this machine, so that the page can link to clips."""


def review_command(run: str) -> str:
    """Opens the run's clips for review, where the links of the page lead."""
    return f"vimu review {shlex.quote(run)} --port {PORT}"


def review_link(clip_id: str) -> str:
    """A clip in clip review, while that is served."""
    return f"http://127.0.0.1:{PORT}/#clip={quote(clip_id, safe='')}"
