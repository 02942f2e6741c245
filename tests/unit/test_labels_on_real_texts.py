"""The daily12 rules on KIT-ML's texts, against 300 takes that a language model categorised (docs/labels.md)."""

import csv
import hashlib
import json
from collections import Counter
from pathlib import PurePosixPath

import pytest

from vimu.archives.take import words_of
from vimu.clips.annotations import described, load_annotations
from vimu.clips.label_report import amass_paths, outcomes, report
from vimu.clips.labels import label_take, load_label_rules
from vimu.contracts import Reason, Rejection, Take

DAILY = load_label_rules("daily12")
LEAST_PRECISION, LEAST_RECALL, LEAST_TAKES = 0.95, 0.80, 10


@pytest.fixture(scope="module")
def texts(vimu_data):
    folder = vimu_data / "labels"
    if not folder.is_dir():
        pytest.skip(f"label sources not found at {folder}")
    return folder


@pytest.fixture(scope="module")
def by_hand(repo):
    """KIT-ML id -> category, `removed` or `none`."""
    with (repo / "tests" / "data" / "kit_labels.csv").open() as lines:
        return {row["id"]: row["category"] for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def by_rule(texts, by_hand):
    """The same of the rules."""
    file = texts / "kitml" / "annotations.json"
    takes, annotations = json.loads(file.read_text()), load_annotations([file])
    return {k: outcome(takes[k]["path"], annotations) for k in by_hand}


def outcome(path, annotations):
    take = described(Take("amass", None, path, words_of(path)), annotations.of(file_of(path)))
    try:
        return label_take(take, DAILY).name
    except Rejection as rejection:
        return "removed" if rejection.reason == Reason.REMOVED_BY_RULE else "none"


def file_of(path):
    return PurePosixPath("/somewhere/amass", f"{path}.npz")


def is_held_out(kit_id):
    return hashlib.sha256(kit_id.encode()).digest()[-1] % 2 == 1


def scores(by_hand, by_rule, ids):
    """Category -> (takes of it in the sample, precision, recall)."""
    hand, rule = Counter(by_hand[k] for k in ids), Counter(by_rule[k] for k in ids)
    both = Counter(by_hand[k] for k in ids if by_hand[k] == by_rule[k])
    return {c: (n, both[c] / max(rule[c], 1), both[c] / n) for c, n in hand.items() if c in DAILY.categories}


def test_the_sample_is_300_takes_of_which_a_category_is_known(by_hand):
    assert len(by_hand) == 300
    assert set(by_hand.values()) <= {*DAILY.categories, "removed", "none"}
    assert sum(map(is_held_out, by_hand)) == 141
    assert not [k for k in by_hand if k.startswith("M")]


def test_rules_find_what_a_person_finds(by_hand, by_rule):
    table = {c: row for c, row in scores(by_hand, by_rule, by_hand).items() if row[0] >= LEAST_TAKES}
    assert set(table) == {
        "walking", "running", "jumping", "stairs", "lying_getting_up", "stretching_legs", "waving"
    }  # fmt: skip
    short = {c: row for c, row in table.items() if row[1] < LEAST_PRECISION or row[2] < LEAST_RECALL}
    assert not short


def test_rules_find_it_in_the_half_that_they_were_not_tuned_on(by_hand, by_rule):
    table = scores(by_hand, by_rule, [k for k in by_hand if is_held_out(k)])
    table = {c: row for c, row in table.items() if row[0] >= LEAST_TAKES}
    assert set(table) == {"walking", "running", "stairs"}
    assert not {c: row for c, row in table.items() if row[1] < LEAST_PRECISION or row[2] < LEAST_RECALL}


def test_hardly_any_take_that_a_person_leaves_out_gets_a_category(by_hand, by_rule):
    left_out = [k for k, category in by_hand.items() if category in ("removed", "none")]
    kept = [k for k in left_out if by_rule[k] in DAILY.categories]
    assert len(kept) <= 0.06 * len(left_out)


def test_every_amass_path_has_one_outcome(texts):
    paths = amass_paths(texts / "humanml3d" / "index.csv")
    assert len(paths) == 10_524
    annotations = load_annotations([texts / "kitml" / "annotations.json"])
    assert sum(bool(annotations.of(file_of(path))) for path in paths) == 2_883
    found = outcomes(paths, DAILY, annotations)
    assert sorted(path for some in found.values() for path in some) == paths
    assert set(found) <= {*DAILY.categories, *(rule.name for rule in DAILY.rules if rule.remove), "no rule"}


def test_the_index_of_cmu(texts):
    annotations = load_annotations([texts / "cmu_index_partial" / "cmu_index_subjects_01-17.partial.txt"])
    assert len(annotations.sentences) == 270
    for trial, label in (
        ("02_01", "walking"), ("13_01", "sitting_standing"), ("13_35", "stairs"), ("16_01", "jumping"),
        ("14_06", "removed"), ("13_29", "removed"), ("01_02", "removed"),
    ):  # fmt: skip
        assert outcome(f"CMU/{trial[:2]}/{trial}_poses", annotations) == label, trial


def test_the_published_report_is_that_of_the_rules(vimu_data, texts, repo):
    assert report("daily12", vimu_data) == (repo / "docs" / "labels-report.md").read_text()
