"""The record of a study, whatever is killed: numbers, parameters and results stay, and the search goes on."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimu.runtime.errors import UserError
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.candidate import Candidate
from vimu.tuning.record import SCORE, StudyRecord, winner_of
from vimu.tuning.settings_study import SettingsStudy
from vimu.tuning.study_report import write_report

BASE = Candidate(pretrain=PretrainSettings(epochs=4), finetune=FinetuneSettings(epochs=4))
SPACE = {
    "pretrain.penalty_weight": {"log": [0.01, 10.0]},
    "finetune.schedule": {"choice": ["head", "all"]},
    "finetune.encoder_lr_share": {"log": [0.05, 1.0], "when": {"finetune.schedule": "all"}},
}


def opened(path, seed=0, **more):
    study = SettingsStudy.model_validate({"kind": "settings", "space": SPACE, "n_startup_trials": 3, **more})
    return StudyRecord(path, study, BASE, seed=seed)


def figures(score, epoch=8, n_parameters=100):
    return {SCORE: score, "epoch": epoch, "windows_seen": 10 * epoch, "n_parameters": n_parameters}


def score_of(params):
    return 1 / (1 + abs(params["pretrain.penalty_weight"] - 1))


def end(record, proposal, how):
    if how == "complete":
        record.complete(proposal.number, figures(score_of(proposal.params)))
    elif how == "prune":
        record.report(proposal.number, 1, 0.1)
        record.prune(proposal.number, figures(0.1, epoch=1))
    else:
        record.report(proposal.number, 1, 0.1)
        record.fail(proposal.number, "ValueError: no")


ENDS = st.lists(st.sampled_from(["complete", "complete", "prune", "fail"]), min_size=6, max_size=8)


@settings(max_examples=5)
@given(ends=ENDS, killed=st.sets(st.integers(0, 7)))
def test_kills_change_nothing_that_is_proposed(ends, killed, tmp_path_factory):
    """A driver killed again and again, each time with a trial running, ends with what an undisturbed one does."""
    whole, broken = (tmp_path_factory.mktemp("record") / "study.db" for _ in range(2))
    record = opened(whole)
    for how in ends:
        end(record, record.next(), how)
    wanted = record.rows()
    record.close()
    record = opened(broken)
    for i, how in enumerate(ends):
        proposal = record.next()
        if i in killed:
            record.report(proposal.number, 1, 0.1)
            record.close()
            record = opened(broken)
            again = record.next()
            assert (again.number, dict(again.params)) == (proposal.number, dict(proposal.params))
            proposal = again
        end(record, proposal, how)
    got = record.rows()
    assert [row["number"] for row in got] == list(range(len(ends)))
    assert [row["starts"] for row in got] == [2 if i in killed else 1 for i in range(len(ends))]
    for key in ("number", "state", "params", SCORE, "error", "epochs"):
        assert [row[key] for row in got] == [row[key] for row in wanted]
    record.close()


def test_two_that_ran_at_once_are_handed_out_again_in_order_then_new_ones(tmp_path):
    record = opened(tmp_path / "study.db")
    first, second = record.next(), record.next()
    assert first.params != second.params
    record.close()
    record = opened(tmp_path / "study.db")
    assert [record.next().number for _ in range(3)] == [0, 1, 2]
    assert record.n_ended == 0


def test_a_trial_whose_values_were_half_drawn_gets_the_others(tmp_path):
    record = opened(tmp_path / "study.db")
    trial = record.study.ask()
    half = trial.suggest_float("pretrain.penalty_weight", 0.01, 10.0, log=True)
    record.close()
    proposal = opened(tmp_path / "study.db").next()
    assert proposal.number == 0
    assert proposal.params["pretrain.penalty_weight"] == half
    assert "finetune.schedule" in proposal.params


def test_a_record_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path / "a {b} 100% c?d#é"
    folder.mkdir()
    record = opened(folder / "study.db")
    record.next()
    record.close()
    assert (folder / "study.db").is_file()
    assert opened(folder / "study.db").next().number == 0


@pytest.mark.parametrize("damage", [b"", b"not a database, not at all" * 100])
def test_a_damaged_record_says_so(tmp_path, damage):
    path = tmp_path / "study.db"
    record = opened(path)
    record.next()
    record.close()
    content = path.read_bytes()
    path.write_bytes(damage + content[len(damage) : 5000])
    with pytest.raises(UserError, match=r"study.db` must be the record of a study, but cannot be read"):
        opened(path)


def test_the_winner_ran_to_its_end_and_came_first_of_two_alike():
    def row(number, state, score):
        return {"number": number, "state": state, SCORE: score}

    rows = [row(0, "complete", 0.5), row(1, "complete", 0.7), row(2, "pruned", 0.9), row(3, "complete", 0.7)]
    assert winner_of(rows)["number"] == 1
    assert winner_of(rows[2:3]) is None


def test_the_report_is_one_file_with_optunas_plots(tmp_path):
    record = opened(tmp_path / "study.db")
    for how in ["complete"] * 8 + ["prune", "fail"]:
        proposal = record.next()
        for epoch in range(1, 9 if how == "complete" else 1):
            record.report(proposal.number, epoch, score_of(proposal.params) * epoch / 8)
        end(record, proposal, how)
    rows = record.rows()
    write_report(tmp_path, record.study, rows, winner_of(rows), name="<toy>", datasets=["a", "b"], synthetic=["a"])
    plots = {path.stem for path in (tmp_path / "plots").glob("*.png")}
    assert plots == {"history", "importances", "slice_lambda", "slice", "curves"}
    page = (tmp_path / "report.html").read_text()
    assert page.count("src=") == page.count('src="data:image/png;base64,') == 5
    assert "&lt;toy&gt;" in page
    assert "ValueError: no" in page
    assert "8 ran to their end, 1 were ended early" in page
    for outside in ("@import", "<script", "<link", "http://", "https://"):
        assert outside not in page


def test_of_two_objectives_the_front_is_shown_and_the_best_score_wins(tmp_path):
    record = opened(tmp_path / "study.db", objectives=["macro_f1", "n_parameters"], pruning=None)
    for score, size in ((0.5, 10), (0.8, 100), (0.7, 200), (0.4, 5)):
        record.complete(record.next().number, figures(score, n_parameters=size))
    rows = record.rows()
    assert winner_of(rows)["number"] == 1
    write_report(tmp_path, record.study, rows, winner_of(rows), name="toy", datasets=["a", "b"], synthetic=[])
    assert (tmp_path / "plots" / "pareto.png").is_file()
    assert "better in both" in (tmp_path / "report.html").read_text()
    assert "no other one beats in both score and size: 0, 1, 3" in " ".join(
        (tmp_path / "report.html").read_text().split()
    )
    json.dumps(rows)


def test_with_one_trial_the_report_says_what_cannot_be_drawn(tmp_path):
    record = opened(tmp_path / "study.db")
    record.complete(record.next().number, figures(0.5))
    rows = record.rows()
    write_report(tmp_path, record.study, rows, rows[0], name="toy", datasets=["a", "b"], synthetic=[])
    assert "No plot <b>importances</b>" in (tmp_path / "report.html").read_text()
