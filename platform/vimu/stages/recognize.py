"""Windows named by labels that a person gives as text, which no model was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vimu.runtime.errors import UserError
from vimu.semantics.aligned import load_aligned
from vimu.semantics.encoder_files import encoder_files
from vimu.semantics.fit_list import Fit
from vimu.semantics.labels import load_labels, texts_of
from vimu.stages.config import Config
from vimu.stages.evaluate_aligned import asked_of, plan


@dataclass(frozen=True)
class Named:
    """A data set's windows by what they are and what they were called."""

    title: str
    rows: tuple[tuple[str, int, tuple[float, ...]], ...]
    """Class, windows, and the share of them that got each label."""


def recognize(config: Config, given: Sequence[str]) -> tuple[list[str], list[Named]]:
    """Name the windows of other people and of other data sets, by the first seed's model of all classes.

    Returns:
        What each label is compared by, in words, and a table a data set.

    Raises:
        UserError: fewer than two labels, the alignment is not published, or the text encoder is another.
    """
    if len(set(given)) < 2 or len(set(given)) < len(given):
        raise UserError(f"`--labels` must be two or more, each once, but are {', '.join(given) or 'none'}.")
    work = plan(config).work
    assert work is not None
    labels, path = load_labels(config.semantics.labels_file)
    resolved = [texts_of(labels, label) for label in given]
    says = [
        f"{label}: by its own words" if activity is None else f"{label}: {len(texts)} texts of `{activity}` in {path}"
        for label, (activity, texts) in zip(given, resolved, strict=True)
    ]
    model = load_aligned(work.model(Fit("all", "aligned", work.settings.seeds[0])))
    vectors = model.of_texts(encoder_files(work.settings.text_encoder), [texts for _, texts in resolved])
    _, asked = asked_of(work)
    tables = []
    for one in (one for one in asked if one.setting != "unseen"):
        said = model.probabilities(model.vectors(one.windows.x), vectors).argmax(axis=1)
        rows = []
        for name in one.classes:
            of = said[one.windows.label == name]
            rows.append((name, len(of), tuple(float(np.mean(of == i)) for i in range(len(given)))))
        tables.append(Named(f"{one.dataset}, {one.setting}: {one.split}", tuple(rows)))
    return says, tables
