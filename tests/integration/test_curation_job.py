"""Decisions carried out by the synthesis job, and what later stages see of them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vimu.clips.decisions import Decision, write_decisions
from vimu.runtime.errors import UserError
from vimu.runtime.published import open_published
from vimu.stages import prepare, synthesize
from vimu.stages.stage import input_identity

pytestmark = pytest.mark.ray


def rows_of(config):
    published = open_published(config.run_dir / "synthesize", made_by="-")
    table = pa.concat_tables([f.columns() for f in published.files("clips/")])
    return {row["sequence"]: row for row in table.to_pylist()}, published


def test_decisions_are_carried_out_and_accounted_for(cut_run, small_config, local_ray, tmp_path):
    before, _ = rows_of(cut_run)
    drop, keep, relabel, rate = sorted(before)[:4]
    combat = next(
        row["path"].removesuffix(".npz")
        for row in pq.read_table(cut_run.run_dir / "synthesize" / "rejections.parquet").to_pylist()
        if row["detail"] == "remove_combat"
    )
    other = next(label for label in ("walking", "running") if label != before[relabel]["label"])
    file = tmp_path / "decisions.csv"
    write_decisions(
        file,
        [
            Decision("amass", drop, "drop", "", "ann", "slips"), Decision("amass", keep, "keep", "", "ann"),
            Decision("amass", relabel, "relabel", other, "ann"), Decision("amass", rate, "rate", "60", "bob"),
            Decision("amass", combat, "relabel", "waving", "ann"), Decision("amass", "no/such", "drop", "", "ann"),
        ],
    )  # fmt: skip
    settings = cut_run.synthesis.model_dump(mode="json") | {"decisions": str(file)}
    config = small_config(tmp_path / "runs", synthesize=settings)
    plan = synthesize.plan(config)
    planned = {name: n for name, n in plan.counts.items() if name.startswith("decisions_")}
    wanted = {"drop": 1, "keep": 1, "rate": 1, "relabel": 2, "without_effect": 1}
    assert planned == {f"decisions_{kind}": n for kind, n in wanted.items()}
    assert plan.tables["decisions without effect"] == [("amass no/such: drop (ann), no such file", 1)]
    synthesize.STAGE.run(config, plan, "-")

    after, decided = rows_of(config)
    assert decided.details["decisions"] == wanted
    assert set(before) - set(after) == {drop}
    assert set(after) - set(before) == {combat}
    [left_out] = [
        row
        for row in pq.read_table(config.run_dir / "synthesize" / "rejections.parquet").to_pylist()
        if row["reason"] == "removed_by_person"
    ]
    assert (left_out["path"].removesuffix(".npz"), left_out["detail"]) == (drop, "ann: slips")
    assert {name: (after[name]["label"], after[name]["rule"]) for name in (keep, relabel, combat)} == {
        keep: (before[keep]["label"], "decision:ann"), relabel: (other, "decision:ann"),
        combat: ("waving", "decision:ann"),
    }  # fmt: skip
    rated, was = after[rate], before[rate]
    assert (rated["source_rate_hz"], rated["file_rate_hz"]) == (60.0, was["file_rate_hz"]) == (60.0, 120.0)
    assert rated["notes"] == [*was["notes"], "rate of 60 Hz by bob"]
    assert abs(rated["n_frames"] - 2 * was["n_frames"]) <= 3  # as many frames, twice as long ...
    acc = {name: np.abs(row["acc"]).mean() for name, row in (("rated", rated), ("was", was))}
    assert acc["was"] / acc["rated"] == pytest.approx(4, rel=0.1)  # ... so a quarter of the acceleration
    untouched = set(before) - {drop, keep, relabel, rate}
    for name in untouched:
        assert all(after[name][key] == before[name][key] for key in before[name])

    again = small_config(tmp_path / "runs", synthesize=settings)
    write_decisions(file, [Decision("amass", drop, "drop", "", "ann")])
    with pytest.raises(UserError, match=r"inputs\.decisions: \w+ -> \w+"):
        synthesize.STAGE.run(again, synthesize.plan(again), "-")


def test_another_label_for_the_same_arrays_is_another_input_of_later_stages(cut_run, small_config, local_ray, tmp_path):
    """The content hash is over arrays: a later stage must look at labels too, or it would stay as it was."""
    before, ruled = rows_of(cut_run)
    name = sorted(before)[0]
    other = next(label for label in ("walking", "running") if label != before[name]["label"])
    write_decisions(tmp_path / "d.csv", [Decision("amass", name, "relabel", other, "ann")])
    settings = cut_run.synthesis.model_dump(mode="json") | {"decisions": str(tmp_path / "d.csv")}
    config = small_config(tmp_path / "runs", synthesize=settings)
    decided = synthesize.STAGE.run(config, synthesize.plan(config), "-")
    assert decided.content_hash == ruled.content_hash
    seen = [prepare.plan(c).identity["inputs"] for c in (cut_run, config)]
    assert [key for key in seen[0] if seen[0][key] != seen[1][key]] == ["synthesize_labels"]
    prepared = open_published(cut_run.run_dir / "prepare", made_by="-")
    assert input_identity(prepared)["prepare_labels"] == prepared.details["labels_hash"]
