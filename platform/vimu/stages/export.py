"""The chosen model as a recogniser: `model.onnx`, what it must be fed, and its card; no Ray, no training."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vimu.runtime.errors import UserError, listed
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import SUCCESS, Published
from vimu.runtime.storage import write_whole
from vimu.serving import onnx_model, preprocessing
from vimu.serving.card import limits_of, render_card, result_of
from vimu.serving.onnx_model import require_exporter
from vimu.serving.preprocessing import Preprocessing, preprocessing_of
from vimu.serving.recognizer import CARD
from vimu.stages.config import Config
from vimu.stages.evaluate_page import licences_of
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.windows.schema import read_windows
from vimu.windows.settings import WindowSettings

NAME = "export"


@dataclass(frozen=True)
class Work:
    """Inputs and the choice."""

    prepared: Published
    finetuned: Published
    evaluated: Published | None
    start: str
    seed: int
    chosen: str
    """Why this seed."""


def plan(config: Config) -> Plan[Work]:
    """Choose the model.

    Raises:
        UserError: an earlier stage is not published, the seed was not trained, metrics are of other models, or the
            packages of the extra `serving` are not installed.
    """
    settings = config.export
    if settings is None:
        raise UserError("`export` must be a section of the configuration, but is null.")
    require_exporter()
    prepared, finetuned = upstream(config, "prepare"), upstream(config, "finetune")
    evaluated = upstream(config, "evaluate") if (config.run_dir / "evaluate" / SUCCESS).is_file() else None
    if evaluated is not None and evaluated.manifest["identity"]["inputs"].get("finetune") != finetuned.content_hash:
        raise UserError(f"`{evaluated.folder}` must be of the models in `{finetuned.folder}`, but is of others.")
    seed, chosen = _seed(finetuned, settings.start, settings.seed)
    return Plan(
        identity={
            "settings": settings.model_dump(mode="json"),
            "inputs": input_identity(prepared, finetuned, *([evaluated] if evaluated is not None else [])),
        },
        counts={"seed": seed, "candidates": len(finetuned.details["seeds"])},
        work=Work(prepared, finetuned, evaluated, settings.start, seed, chosen),
    )


def build(config: Config, plan: Plan[Work], staging: Path) -> Outcome:
    """Export, hold the graph to torch's figures on the validation windows, write the card."""
    from vimu.models.network import Network
    from vimu.serving.export import check_card, check_equal, to_onnx
    from vimu.training.checkpoint import load_model, weights_sha256

    assert plan.work is not None
    work, details = plan.work, plan.work.prepared.details
    model, made_for = load_model(work.finetuned.file(f"models/{work.start}-{work.seed}.pt").local())
    fed = _preprocessing(work)
    check_card(made_for, fed)
    graph = to_onnx(model, length_frames=fed.windows.length_frames, n_channels=len(fed.channels))
    assert isinstance(model, Network)  # `to_onnx` refuses others
    windows = read_windows(work.prepared.files("windows/")).where(dataset=details["real_dataset"], split="val")
    difference = check_equal(model, graph, fed, windows.x)
    results, notes = _metrics(work)
    metrics = result_of(results, dataset=details["real_dataset"], start=work.start, method=made_for.settings["kind"])
    text = fed.model_dump_json(indent=1)
    card: dict[str, Any] = {
        "name": config.name,
        "synthetic": fed.synthetic,
        "model": {
            "kind": made_for.settings["kind"], "start": work.start, "seed": work.seed, "chosen": work.chosen,
            "n_parameters": sum(p.numel() for p in model.parameters()), "weights_sha256": weights_sha256(model),
            "difference_from_torch": difference, "n_windows_compared": len(windows), "settings": made_for.settings,
        },
        "preprocessing": json.loads(text),
        "data": _data(work),
        "metrics": metrics,
        "notes": notes,
        "limits": limits_of(fed, details, metrics),
        "made": {key: work.finetuned.manifest[key] for key in ("command", "finished_at", "code", "packages")},
        "settings": {
            published.manifest["stage"]: published.manifest["identity"] for published in (work.prepared, work.finetuned)
        },
    }  # fmt: skip
    write_whole(staging / onnx_model.FILE, graph)
    write_whole(staging / preprocessing.FILE, text)
    write_whole(staging / CARD, json.dumps(card, indent=1))
    write_whole(staging / "card.md", render_card(card))
    says = f"{made_for.settings['kind']}, {work.start}, seed {work.seed} ({work.chosen})"
    return Outcome(
        counts={"models": 1, "bytes": len(graph), "windows_compared": len(windows)},
        content_hash=content_hash([("weights", card["model"]["weights_sha256"]), ("fed", text)]),
        licences=work.prepared.manifest["licences"],
        details={"seed": work.seed, "start": work.start, "difference_from_torch": difference, "says": says},
    )


STAGE = Stage(NAME, plan, build)


def _seed(finetuned: Published, start: str, wanted: int | None) -> tuple[int, str]:
    """The seed asked for, else the one that validates best, and why it was taken. The test people play no part."""
    seeds = list(finetuned.details["seeds"])
    scores = {seed: finetuned.details["val_macro_f1"][f"{start}-{seed}"] for seed in seeds}
    if wanted is None:
        best = max(seeds, key=lambda seed: scores[seed])
        return best, f"validates best of {len(seeds)}, macro-F1 {scores[best]:.3f}"
    if wanted not in scores:
        raise UserError(f"`export.seed` must be among those trained ({listed(seeds)}), but is {wanted}.")
    return wanted, f"as configured; macro-F1 in validation {scores[wanted]:.3f}"


def _preprocessing(work: Work) -> Preprocessing:
    settings, details = work.prepared.manifest["identity"]["settings"], work.prepared.details
    return preprocessing_of(
        WindowSettings.model_validate(settings["windows"]), sensors=tuple(details["sensors"]),
        classes=tuple(work.finetuned.details["classes"]), mounting=settings["mounting"],
        synthetic=any(details["synthetic"][name] for name in _datasets(work)),
    )  # fmt: skip


def _datasets(work: Work) -> list[str]:
    """Whose windows the model has seen."""
    details = work.prepared.details
    return [*(details["virtual_datasets"] if work.start == "finetuned" else ()), details["real_dataset"]]


def _metrics(work: Work) -> tuple[list[dict[str, Any]], list[str]]:
    """Entries of `metrics.json`, and its notes on the test split; none where nothing was evaluated yet."""
    if work.evaluated is None:
        return [], []
    metrics = json.loads(work.evaluated.file("metrics.json").read())
    return metrics["results"], metrics["holdout_notes"]


def _data(work: Work) -> list[dict[str, Any]]:
    """A row a set of data: its part, licence and windows by split."""
    details, licences = work.prepared.details, licences_of(work.prepared)
    real = details["real_dataset"]
    own = "fine-tuning, validation, test" if work.start == "finetuned" else "training, validation, test"
    return [
        {
            "name": name, "part": own if name == real else "pre-training, as virtual sensors",
            "synthetic": details["synthetic"][name], "licence": licences[name],
            "windows": {s: sum(details["windows"][name].get(s, {}).values()) for s in ("train", "val", "test")},
        }
        for name in _datasets(work)
    ]  # fmt: skip
