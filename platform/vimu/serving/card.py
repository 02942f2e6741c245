"""The model card: what a recogniser was made of, how good it is on whom, and what it must not be taken for.

Source: Mitchell et al., Model cards for model reporting, FAT* 2019.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from vimu.serving.preprocessing import Preprocessing

FEW_SUBJECTS = 10


def render_card(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    template = files("vimu.serving").joinpath("card.md.j2").read_text(encoding="utf-8")
    environment = Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 (Markdown)  # nosec B701
    return environment.from_string(template).render(**card)


def limits_of(preprocessing: Preprocessing, details: Mapping[str, Any], metrics: Mapping[str, Any] | None) -> list[str]:
    """What a user must know before trusting it, in sentences.

    Args:
        details: of the manifest of `prepare`.
        metrics: the exported model's entry of `metrics.json`; None where it was not evaluated.
    """
    windows, real = preprocessing.windows, details["real_dataset"]
    n_train = details["subjects"][real]["train"]
    limits = []
    if preprocessing.synthetic:
        limits.append("Generated data took part in training or in the test: its figures say nothing about people.")
    limits += [
        f"It chooses among {len(preprocessing.classes)} classes, whatever the wearer does: another activity, or none, "
        "is taken for one of them. Its probabilities are not calibrated.",
        f"It was fitted to {n_train} people of {real}, with sensors worn as they wore them"
        + ("." if n_train >= FEW_SUBJECTS else ": too few to stand for others."),
        f"It sees {windows.length_frames / windows.rate_hz:g} s at a time, and a window in which one activity turns "
        "into another was never trained on.",
    ]
    if preprocessing.mounting == "estimated":
        limits.append("It needs each wearer's mounting, from a stretch of walking or standing.")
    if metrics is None:
        limits.append("No figures of it were published when it was exported.")
        return limits
    if metrics["macro_f1_ci95"] is None:
        limits.append(f"It was tested on {metrics['n_subjects']} people: too few for an interval.")
    weak = [f"{name} {row['f1']:.2f}" for name, row in metrics["per_class"].items() if (row["f1"] or 0.5) < 0.5]
    if weak:
        limits.append(f"Classes with F1 below 0.5: {', '.join(weak)}.")
    return limits


def result_of(results: Sequence[Mapping[str, Any]], *, dataset: str, start: str, method: str) -> dict[str, Any] | None:
    """The entry of `metrics.json` of the exported model, on people kept from it; None where there is none."""
    wanted = {"dataset": dataset, "experiment": start, "method": method, "protocol": "holdout"}
    return next((dict(r) for r in results if all(r[k] == v for k, v in wanted.items())), None)
