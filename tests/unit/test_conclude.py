"""What a job says of what it published."""

from vimu.contracts import Reason, Rejection
from vimu.runtime.manifest import Outcome
from vimu.runtime.publish import publish
from vimu.stages.job import conclude
from vimu.stages.shards import rejection_row, write_rejections


def published(folder, stage, details, rows=()):
    def build(staging, previous):
        file = write_rejections(staging, rows)
        return Outcome(counts={}, content_hash="h", details=details, files=[file])

    return publish(folder, identity={"stage": stage}, build=build, made_by="-")


def said(capfd):
    return capfd.readouterr().err.splitlines()


def test_what_was_left_out_is_named_where_it_is_little_and_else_where_to_look(tmp_path, capfd):
    of = {Reason.UNREADABLE: ["a/torn.npz"], Reason.NO_LABEL: [f"b/{i}.npz" for i in range(5)]}
    rows = [rejection_row(path, Rejection(path, reason, "why"), "synthesize") for reason in of for path in of[reason]]
    counts = {"no_label": 5, "unreadable": 1}
    conclude(published(tmp_path / "s", "filter", {"left_out": counts}, rows))
    lines = said(capfd)
    assert "  left out: 5 no_label (b/0.npz, ...)" in lines
    assert "  left out: 1 unreadable (a/torn.npz)" in lines
    assert "6 in all, each with its reason in" in " ".join(lines)
    assert "rejections.parquet" in "".join(lines)


def test_the_winner_of_tuning_is_a_setting_a_line(tmp_path, capfd):
    params = {"finetune.lr": 0.00123456, "finetune.schedule": "all", "pretrain.model.widths": [8, 16]}
    best = {"number": 3, "params": params, "val_macro_f1": 0.61234}
    conclude(published(tmp_path / "s", "tune", {"best": best}))
    lines = said(capfd)
    at = lines.index("  winner: trial 3, macro-F1 0.612 in validation")
    assert lines[at + 1 : at + 4] == [
        "    finetune.lr: 0.00123", "    finetune.schedule: all", "    pretrain.model.widths: [8, 16]"
    ]  # fmt: skip
