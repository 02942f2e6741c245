"""The judge's soft gate: windows that measure alike should read alike.

A window's text is compared with those of the windows that measure most like it. What lies far below the usual is
flagged: below the median by more than three median absolute deviations.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from vimu.semantics.catalogue import FEATURES

Embed = Callable[[Sequence[str]], Float[np.ndarray, "texts dimensions"]]
"""Texts -> vectors. What compares them is the cosine, so that their lengths do not matter."""

AT_ONCE = 512
"""Windows whose neighbours' vectors are in memory together."""
LEAST_MAD = 0.03
"""Where most texts are the same, the deviation is 0, and any other wording would be flagged."""


def hashed_words(texts: Sequence[str]) -> Float[np.ndarray, "texts dimensions"]:
    """Words and pairs of words, hashed: an embedding without a model, the same on every machine."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(n_features=1024, ngram_range=(1, 2), alternate_sign=False, dtype=np.float32)
    return np.asarray(vectorizer.transform(texts).toarray())


def standardised(features: Mapping[str, Float[np.ndarray, " windows"]]) -> Float[np.ndarray, "windows columns"]:
    """Features on like scales: logarithms where they span decades, medians for nulls, and whether each is null.

    Robust: quartiles, not extremes, set a column's scale.
    """
    columns: list[Float[np.ndarray, " windows"]] = []
    for name in FEATURES:
        values = np.asarray(features[name], dtype=np.float64)
        absent = np.isnan(values)
        if absent.all():
            continue
        if (values[~absent] >= 0).all():
            values = np.log1p(values)
        low, middle, high = np.percentile(values[~absent], [25, 50, 75])
        scale = high - low if high > low else 1.0
        columns.append(np.clip((np.where(absent, middle, values) - middle) / scale, -4.0, 4.0))
        if absent.any():
            columns.append(2.0 * absent)
    return np.stack(columns, axis=1) if columns else np.zeros((len(next(iter(features.values()))), 1))


class SoftGate:
    """Similarity to the texts of like windows, and below which it is flagged."""

    def __init__(
        self, features: Mapping[str, Float[np.ndarray, " windows"]], reference: Bool[np.ndarray, " windows"],
        embed: Embed, *, n_neighbours: int, n_mads: float,
    ) -> None:  # fmt: skip
        """`reference`: the windows that the others are held to; training windows, so that no test window has a say."""
        self._points = standardised(features)
        self._reference, self._embed = reference, embed
        self._n_neighbours, self._n_mads = n_neighbours, n_mads
        self._embedded: dict[str, Float[np.ndarray, " dimensions"]] = {}

    def unlike(self, texts: Mapping[int, str], asked: Sequence[int]) -> tuple[dict[int, float], float | None]:
        """Which of the asked windows read unlike those that measure like them.

        Args:
            texts: row -> text of every window that has one which passed the hard gates.
            asked: rows among them.

        Returns:
            Row -> similarity of those flagged; the threshold, None where there are too few windows to compare with.
        """
        rows = np.array(sorted(row for row in texts if self._reference[row]), dtype=int)
        if len(rows) < 2 * (self._n_neighbours + 1):
            return {}, None
        self._learn([texts[row] for row in texts])
        vectors = np.stack([self._embedded[texts[row]] for row in rows])
        tree = cKDTree(self._points[rows])
        of_reference = self._similarity(rows, texts, tree, vectors, rows)
        median = float(np.median(of_reference))
        mad = max(float(np.median(np.abs(of_reference - median))), LEAST_MAD)
        threshold = median - self._n_mads * mad
        wanted = np.array(sorted(asked), dtype=int)
        if not len(wanted):
            return {}, threshold
        found = self._similarity(wanted, texts, tree, vectors, rows)
        return {int(row): float(s) for row, s in zip(wanted, found, strict=True) if s < threshold}, threshold

    def _learn(self, texts: Sequence[str]) -> None:
        """Embed what was not embedded before."""
        new = sorted({text for text in texts if text not in self._embedded})
        if new:
            vectors = np.asarray(self._embed(new), dtype=np.float32)
            length = np.linalg.norm(vectors, axis=1, keepdims=True)
            self._embedded |= dict(zip(new, vectors / np.maximum(length, 1e-12), strict=True))

    def _similarity(
        self, wanted: np.ndarray, texts: Mapping[int, str], tree: cKDTree, vectors: np.ndarray, rows: np.ndarray
    ) -> Float[np.ndarray, " wanted"]:  # fmt: skip
        """Median cosine with the texts of the nearest reference windows, oneself left out: a neighbour that is wrong
        itself does not count against those who are right."""
        found = []
        for chunk in (wanted[i : i + AT_ONCE] for i in range(0, len(wanted), AT_ONCE)):
            _, nearest = tree.query(self._points[chunk], k=self._n_neighbours + 1)
            own = np.stack([self._embedded[texts[row]] for row in chunk])
            cosine = np.einsum("wd,wkd->wk", own, vectors[nearest])
            others = rows[nearest] != chunk[:, None]
            # who is not among the neighbours leaves out the farthest of them instead
            others[:, -1] &= ~others[:, :-1].all(axis=1)
            found.append(np.nanmedian(np.where(others, cosine, np.nan), axis=1))
        return np.concatenate(found)
