"""The rows of the tables, and the fits that each is made of."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.experiments import CrossvalSettings, Method
from vimu.tuning.fits import Fit, Kind
from vimu.tuning.nested import Start

REAL, VIRTUAL, PRETRAINING, SHARED = "real", "virtual", "pretraining", "shared"
"""Windows by name: real ones; virtual ones of every split; those that networks are pre-trained on; real ones of the
classes that both sides have."""
STYLES = "styles"


@dataclass(frozen=True)
class Variant:
    """The method as a whole, or with one part changed."""

    name: str
    """Empty for the whole."""
    pretrain: PretrainSettings
    finetune: FinetuneSettings
    pretraining: str = PRETRAINING
    """Which windows it is pre-trained on."""


@dataclass(frozen=True)
class Row:
    """One entry of `metrics.json` to be."""

    experiment: str
    method: str
    windows: str
    """Which are tested."""
    folds: str
    """How they are dealt; empty where none is held out."""
    fits: Mapping[int, tuple[Fit, ...]]
    """By seed, in the order of the folds."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the entry gets beside the usual ones."""
    scratch: "Row | None" = None
    """What a fine-tuned row's gain is over."""
    whole: "Row | None" = None
    """What an ablation is compared with."""


@dataclass(frozen=True)
class Rows:
    """Makes rows from settings."""

    settings: CrossvalSettings
    whole: Variant
    n_trees: int

    def table(self, *, known: Mapping[str, Sequence[str]], styles: bool) -> Iterator[Row]:
        """The three experiments.

        Args:
            known: real class -> its names among the virtual ones, which tell it without fine-tuning.
            styles: whether styles are held out in turn as well.
        """
        s = self.settings
        for folds in [VIRTUAL] * ("groups" in s.virtual_splits) + [STYLES] * styles:
            for method in s.virtual_methods or s.methods:
                yield from self._virtual(method, folds)
        tuned = bool(s.tune_trials)
        for method in s.networks if len(known) > 1 else ():
            fits = {seed: (self._not_finetuned(method, seed, known),) for seed in s.seeds_of(method)}
            yield Row("no_finetuning", method, SHARED, "", fits)
        for method in s.methods:
            if method == "random_forest":
                yield self._forest_row(REAL, REAL, s.seeds, copies=0)
                if s.forest_copies:
                    yield self._forest_row(REAL, REAL, s.seeds, copies=s.forest_copies, tuned=tuned)
            else:
                yield from self._pair(self.whole, method, s.seeds_of(method), tuned=tuned)

    def curve(self, method: Method) -> Iterator[Row]:
        """Scratch and fine-tuned on some of the real training recordings."""
        s = self.settings
        for share in sorted(s.label_shares):
            yield from self._pair(self.whole, method, s.label_seeds, share=share, extra={"label_share": share})
            if "random_forest" in s.methods:
                copies = s.forest_copies
                row = self._forest_row(REAL, REAL, s.label_seeds, copies=copies, share=share)
                yield Row(**vars(row) | {"extra": {**row.extra, "label_share": share}})

    def ablation(self, method: Method, variants: Sequence[Variant]) -> Iterator[Row]:
        """The method as a whole, then with each variant; scratch again only where it differs from the whole's."""
        if not variants:
            return
        whole = list(self._pair(self.whole, method, self.settings.ablation_seeds, extra={"ablation": "none"}))
        yield from whole
        for variant in variants:
            pair = self._pair(variant, method, self.settings.ablation_seeds, extra={"ablation": variant.name})
            for row, full in zip(pair, whole, strict=True):
                if row.fits != full.fits:
                    yield Row(**vars(row) | {"whole": full})

    def _virtual(self, method: Method, folds: str) -> Iterator[Row]:
        s = self.settings
        if method == "random_forest":
            for copies in dict.fromkeys((0, s.forest_copies)):
                yield self._forest_row(VIRTUAL, folds, s.virtual_seeds, copies=copies)
            return
        given = s.pretrain_of(method, self.whole.pretrain)
        fits = {seed: self._folds("scratch", method, seed, VIRTUAL, folds, _json(given)) for seed in s.virtual_seeds}
        yield Row("virtual", method, VIRTUAL, folds, fits)

    def _forest_row(
        self, windows: str, folds: str, seeds: Sequence[int], *, copies: int, share: float = 1.0, tuned: bool = False
    ) -> Row:
        base = self.whole.pretrain
        variation = self.settings.scratch_of(base.model.kind, base).augment  # what the run's network from scratch has
        given = {"settings": {"n_trees": self.n_trees, "copies": copies, "variation": variation.model_dump()}}
        fits = {
            seed: self._folds("forest", "random_forest", seed, windows, folds, given, share=share, tuned=tuned)
            for seed in seeds
        }
        extra: dict[str, Any] = {"augmented_copies": copies} | self._tuned(tuned)
        return Row("virtual" if windows == VIRTUAL else "scratch", "random_forest", windows, folds, fits, extra)

    def _pair(
        self, variant: Variant, method: Method, seeds: Sequence[int], *, share: float = 1.0, tuned: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> Iterator[Row]:  # fmt: skip
        s = self.settings
        given = {
            "scratch": _json(s.scratch_of(method, variant.pretrain)),
            "finetuned": _json(s.finetune_of(method, variant.finetune), seeds=True),
        }
        rows: list[Row] = []
        kinds: tuple[Start, ...] = ("scratch", "finetuned")
        for kind in kinds:
            fits = {
                seed: self._folds(
                    kind, method, seed, REAL, REAL, given[kind], share=share, tuned=tuned,
                    start=(variant if kind == "finetuned" else None),
                )
                for seed in seeds
            }  # fmt: skip
            base = rows[0] if rows else None
            rows.append(Row(kind, method, REAL, REAL, fits, (extra or {}) | self._tuned(tuned), scratch=base))
        yield from rows

    def _folds(
        self, kind: Start, method: Method, seed: int, windows: str, folds: str, given: dict[str, Any], *,
        share: float = 1.0, tuned: bool = False, start: Variant | None = None,
    ) -> tuple[Fit, ...]:  # fmt: skip
        fits = []
        for fold in range(self.settings.n_folds):
            needs = [] if start is None else [self._pretrain(start, method, seed)]
            if tuned:
                needs.append(self._tune(kind, method, windows, folds, fold, given, start))
            fits.append(self._fit(kind, method, seed, windows, folds, fold, given, share=share, needs=tuple(needs)))
        return tuple(fits)

    def _tune(
        self, kind: Start, method: Method, windows: str, folds: str, fold: int, given: dict[str, Any],
        start: Variant | None,
    ) -> Fit:  # fmt: skip
        """Once a fold, with the first seed: its winner serves all seeds."""
        seed = self.settings.seeds_of(method)[0]
        needs = () if start is None else (self._pretrain(start, method, seed),)
        given = given | {"of": kind, "trials": self.settings.tune_trials}
        return self._fit("tune", method, seed, windows, folds, fold, given, needs=needs)

    def _pretrain(self, variant: Variant, method: Method, seed: int) -> Fit:
        given = _json(self.settings.pretrain_of(method, variant.pretrain))
        return Fit("pretrain", method, seed, variant.pretraining, settings=json.dumps(given, sort_keys=True))

    def _not_finetuned(self, method: Method, seed: int, known: Mapping[str, Sequence[str]]) -> Fit:
        needs = (self._pretrain(self.whole, method, seed),)
        return Fit("not_finetuned", method, seed, SHARED, settings=json.dumps(known), needs=needs)

    def _fit(
        self, kind: Kind, method: Method, seed: int, windows: str, folds: str, fold: int, given: dict[str, Any], *,
        share: float = 1.0, needs: tuple[Fit, ...] = (),
    ) -> Fit:  # fmt: skip
        text = json.dumps(given, sort_keys=True)
        validation = self.settings.validation
        return Fit(kind, method, seed, windows, folds, fold, validation, text, share, needs)

    def _tuned(self, tuned: bool) -> dict[str, Any]:
        return {"tune_trials": self.settings.tune_trials} if tuned else {}


def every_fit(rows: Sequence[Row]) -> list[Fit]:
    """Each fit once, those that others need before them."""
    found: dict[Fit, None] = {}

    def add(fit: Fit) -> None:
        for need in fit.needs:
            add(need)
        found.setdefault(fit)

    for row in rows:
        for fits in row.fits.values():
            for fit in fits:
                add(fit)
    return list(found)


def _json(settings: PretrainSettings | FinetuneSettings, *, seeds: bool = False) -> dict[str, Any]:
    """Settings as part of what a fit depends on: without seeds, which are the fit's own."""
    return {"settings": settings.model_dump(mode="json", exclude={"seeds"} if seeds else {"seed"})}
