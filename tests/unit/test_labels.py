"""Description rules: order, removal, and the words of real archives."""

import pytest

from vimu.archives.take import words_of
from vimu.clips.annotations import described
from vimu.clips.labels import LabelRules, content_label, label_take, load_label_rules
from vimu.contracts import Reason, Rejection, Take
from vimu.runtime.config import validate
from vimu.runtime.errors import UserError

DAILY = load_label_rules("daily12")


def take(text):
    return Take("a", None, text.replace(" ", "_"), words_of(text))


@pytest.mark.parametrize(
    ("description", "category"),
    [
        ("KIT/4/WalkingStraightForward01_poses", "walking"),
        ("ACCAD/Male2General_c3d/A2- Sway_poses", None),
        ("bmlmovi subject 3 a person walks forward", "walking"),
        ("dataset 1 run happy 001", "running"),
        ("dataset 2 raise up both hands active 001", "stretching_arms"),
        ("dataset 2 wave left hand elderly 007", "waving"),
        ("dataset 1 bow tired 001", "bending"),
        ("someone goes upstairs slowly", "stairs"),
        ("person sits down on a chair", "sitting_standing"),
        ("a man lies down on the floor and gets up", "lying_getting_up"),
        ("picks up a box", "bending"),
        ("jumping jacks", "jumping"),
        ("typing at a computer", "desk_work"),
        ("claps hands", "clapping"),
        ("stretching the left leg", "stretching_legs"),
        ("stretches arms", "stretching_arms"),
    ],
)
def test_daily_words_get_their_category(description, category):
    if category is None:
        with pytest.raises(Rejection):
            label_take(take(description), DAILY)
    else:
        assert label_take(take(description), DAILY).name == category


@pytest.mark.parametrize(
    ("description", "rule"),
    [
        ("boxing and walking", "remove_combat"),
        ("dataset 1 kick normal 001", "remove_combat"),
        ("dataset 1 dance short normal 001", "remove_dance_and_acrobatics"),
        ("walk then run", "remove_mixed_locomotion"),
        ("t pose", "remove_calibration"),
    ],
)
def test_removal_comes_first_and_names_its_rule(description, rule):
    with pytest.raises(Rejection) as error:
        label_take(take(description), DAILY)
    assert (error.value.reason, error.value.detail) == (Reason.REMOVED_BY_RULE, rule)


@pytest.mark.parametrize(
    ("sentences", "path", "outcome"),
    [
        (["a person walks", "someone strolls", "a person jogs"], "x/run", "walking"),
        (["a person jogs", "a person walks"], "x/jump", "running"),  # running's rule stands before walking's
        (["a person waves", "a person wipes a table"], "x/wave", "remove_hand_work"),
        (["what is this", "a human hops"], "x/walk", "jumping"),
        (["what is this"], "KIT/3/WalkingStraight01", "walking"),
        ([], "KIT/3/WalkingStraight01", "walking"),
        (["what is this"], "x/y", "no_label"),
        (["a man stands up | from the floor"], "x/y", "lying_getting_up"),  # a sentence's own bar parts nothing
    ],
)
def test_sentences_vote_and_the_path_stands_in_for_them(sentences, path, outcome):
    whole = described(take(path), sentences)
    try:
        assert label_take(whole, DAILY).name == outcome
    except Rejection as rejection:
        assert outcome in (rejection.reason, rejection.detail)


@pytest.mark.parametrize(
    ("description", "outcome"),
    [
        ("a person walks while waving", "remove_mixed_gestures"),
        ("walks to a box, picks it up and goes back", "remove_mixed_bending"),
        ("walks to a chair and sits down", "remove_mixed_postures"),
        ("a kneeling person stands up", "remove_kneeling"),
        ("a person gets pushed to the left", "remove_push"),
        ("a person walks and gets pushed to the left", "walking"),
        ("stands up from the ground", "lying_getting_up"),
        ("stands up", "sitting_standing"),
        ("wipes a desk", "remove_hand_work"),
        ("works at a desk", "desk_work"),
        ("writes on a board", "no_label"),
        ("takes four steps forward", "walking"),
        ("takes a step forward", "no_label"),
        ("moves its arms like wings, waving like a chicken", "stretching_arms"),
        ("runs in a lying eight", "running"),
        ("KIT/3/bend_left01_poses", "walking"),
        ("Transitions_mocap/mazen_c3d/run_walk_poses", "remove_transitions"),
        ("Eyes_Japan_Dataset/kudo/jump-05-rope normal run-kudo_poses", "jumping"),
    ],
)
def test_words_that_mislead_a_single_word_rule(description, outcome):
    try:
        assert label_take(take(description), DAILY).name == outcome
    except Rejection as rejection:
        assert outcome in (rejection.reason, rejection.detail)


def test_words_stand_for_whole_words_only():
    rules = validate(
        LabelRules,
        {
            "categories": ["go"],
            "words": {"go": ["go", "goes"]},
            "rules": [{"name": "a", "match": "{go}", "category": "go"}],
        },
        where="rules.yaml",
    )
    assert label_take(take("he goes"), rules).name == "go"
    with pytest.raises(Rejection, match="no_label"):
        label_take(take("a goat"), rules)


def test_the_five_classes_of_dip_are_among_the_twelve():
    assert len(DAILY.categories) == 12
    assert {"walking", "jumping", "stretching_arms", "stretching_legs", "desk_work"} <= set(DAILY.categories)


def test_the_archives_own_names():
    label = content_label(take("data/dataset-2_walk-turn-left_active_001"), r"dataset-\d_(?P<content>[^_]+)_")
    assert label.name == "walk-turn-left"
    with pytest.raises(Rejection, match="no_label"):
        content_label(take("x"), r"dataset-\d_(?P<content>[^_]+)_")


@pytest.mark.fault(55)
@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"name": "a", "match": "x"}, "either name a `category` or say `remove: true`"),
        ({"name": "a", "match": "x", "category": "fly"}, "one of `categories`"),
        ({"name": "a", "match": "(", "remove": True}, "regular expression"),
        ({"name": "a", "match": "{run}", "remove": True}, "unlike {run}"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rule, says):
    with pytest.raises(UserError, match=says):
        validate(LabelRules, {"categories": ["walk"], "words": {"go": ["goes"]}, "rules": [rule]}, where="rules.yaml")
