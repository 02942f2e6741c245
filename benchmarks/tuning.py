"""What ending trials early saves, and what it costs: `python -m benchmarks.tuning --json FILE`.

The same study twice a seed, on Ray Tune with TPE: with ASHA as `--study` has it, and with every trial run to its end.
Both get the same windows, the same number of trials at a time and in all, and the same first draws. The best score of
either is that of a trial that ran to its end, judged by the same validation people.

- `ratios.epochs_pruned_over_full`: epochs trained, over all seeds; `windows_pruned_over_full` weighs each epoch by its
  windows, for epochs of pre-training and of fine-tuning differ.
- `best_score_gap`: best score of the full search minus that of the pruned one, in points of macro-F1, the median of the
  seeds; below 0 the pruned one found the better trial.

Windows are the demo's, generated anew (synthetic: they say nothing about people), or those of `--run FOLDER`, with the
settings it was made with and `--pretrain-epochs`, `--finetune-epochs` of a trial.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vimu.demo.data import write_demo_data
from vimu.runtime.config import configs_folder, find_yaml, load_config
from vimu.runtime.published import open_published
from vimu.runtime.session import RaySettings, ray_session
from vimu.stages import prepare, synthesize
from vimu.stages.config import Config, TuneSettings
from vimu.stages.tune import Work, run_trials
from vimu.tuning.candidate import Candidate, check_study
from vimu.tuning.record import SCORE, StudyRecord, winner_of
from vimu.tuning.settings_study import SettingsStudy
from vimu.tuning.settings_trial import TrialWindows
from vimu.windows.schema import read_windows

SMALL = {"pretrain.model.widths": [16, 32], "pretrain.model.hidden": 32}
"""The network on the demo's windows, so that all of it takes minutes."""
TO_REACH = {"epochs_pruned_over_full": 1 / 3, "best_score_gap": 0.5}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--config", type=Path, default=configs_folder() / "demo.yaml", help="settings of a trial")
    parser.add_argument("--run", type=Path, help="folder of a run, e.g. runs/open; without it the demo's data are made")
    parser.add_argument("--study", default="benchmark", help="name in configs/studies/, or a YAML path")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pretrain-epochs", type=int, default=4)
    parser.add_argument("--finetune-epochs", type=int, default=40)
    given = parser.parse_args()
    config = load_config(Config, given.config)
    study = load_config(SettingsStudy, find_yaml("studies", given.study))
    base = Candidate(
        pretrain=config.pretrain.model_copy(update={"epochs": given.pretrain_epochs}),
        finetune=config.finetune.model_copy(update={"epochs": given.finetune_epochs}),
    )
    if given.run is None:
        base = base.having(SMALL)
    check_study(study, base)
    with tempfile.TemporaryDirectory() as name, ray_session(RaySettings(num_cpus=2)):
        run = given.run if given.run is not None else demo_run(Path(name))
        prepared = open_published(run / "prepare", made_by="python jobs/prepare.py")
        settings = TuneSettings(n_trials=given.trials, pretrain_epochs=given.pretrain_epochs)
        work = Work(prepared, settings, study, base)
        seeds = [compare(work, seed, Path(name)) for seed in range(given.seeds)]
    figures = summary(seeds) | {"windows": "demo (synthetic)" if given.run is None else str(given.run)}
    for key, value in (figures["ratios"] | {"best_score_gap": figures["best_score_gap"]}).items():
        print(f"{key:28} {value:8.3f}  (to reach {TO_REACH.get(key, float('nan')):.3f})")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


def demo_run(folder: Path) -> Path:
    """Generate the demo's data and cut its windows: the run's folder."""
    data = folder / "data"
    write_demo_data(data)
    roots = [
        f"runs_dir={folder / 'runs'}", f"synthesize.inputs.0.root={data / 'amass'}",
        f"synthesize.inputs.0.body={data / 'body' / 'SMPL_NEUTRAL.pkl'}", f"prepare.real.root={data / 'dip'}",
    ]  # fmt: skip
    config = load_config(Config, configs_folder() / "demo.yaml", roots)
    for stage in (synthesize.STAGE, prepare.STAGE):
        stage.run(config, stage.plan(config), "configs/demo.yaml")
    return Path(str(config.run_dir))


def compare(work: Work, seed: int, folder: Path) -> dict[str, Any]:
    """Both searches with one seed."""
    full = replace(work, study=work.study.model_copy(update={"pruning": None}))
    found = {
        name: search(replace(way, settings=work.settings.model_copy(update={"seed": seed})), folder / f"{name}-{seed}")
        for name, way in (("pruned", work), ("full", full))
    }
    print(f"seed {seed}: " + "; ".join(f"{n}: best {f['best']:.3f}, {f['epochs']} epochs" for n, f in found.items()))
    return {"seed": seed, **found}


def search(work: Work, folder: Path) -> dict[str, Any]:
    """One search: its best score and what it took."""
    folder.mkdir()
    windows = TrialWindows.of(
        read_windows(work.prepared.files("windows/")), virtual=work.prepared.details["virtual_datasets"],
        real=work.prepared.details["real_dataset"],
    )  # fmt: skip
    record = StudyRecord(folder / "study.db", work.study, work.base, seed=work.settings.seed)
    run_trials(record, work, windows, folder / "ray")
    trials = record.rows()
    record.close()
    best = winner_of(trials)
    assert best is not None, trials
    return {
        "best": best[SCORE], "params": best["params"], "epochs": sum(t["epochs"] for t in trials),
        "windows": sum(t["windows_seen"] for t in trials),
        "states": {state: sum(t["state"] == state for t in trials) for state in ("complete", "pruned", "failed")},
        "scores": [t[SCORE] for t in trials],
    }  # fmt: skip


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Ratios over all seeds, the median gap, and each seed."""
    total = {
        (way, what): sum(seed[way][what] for seed in seeds)
        for way in ("pruned", "full")
        for what in ("epochs", "windows")
    }
    gaps = [100 * (seed["full"]["best"] - seed["pruned"]["best"]) for seed in seeds]
    return {
        "ratios": {
            f"{what}_pruned_over_full": total["pruned", what] / total["full", what] for what in ("epochs", "windows")
        },
        "best_score_gap": float(np.median(gaps)),
        "best_score_gaps": gaps,
        "seeds": seeds,
    }


if __name__ == "__main__":
    main()
