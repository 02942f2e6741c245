"""cluster.yaml holds to the launcher's own schema."""

import copy

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config  # private: pinned by ray's range

from vimu.runtime.yaml import read_yaml


def test_it_is_valid(repo):
    validate_config(prepare_config(read_yaml(repo / "cluster.yaml")))


def test_a_misspelt_key_would_be_noticed(repo):
    raw = copy.deepcopy(read_yaml(repo / "cluster.yaml"))
    raw["availabel_node_types"] = raw.pop("available_node_types")
    with pytest.raises(Exception, match="availabel_node_types"):
        validate_config(prepare_config(raw))


def test_its_ray_asks_for_tokens_and_stays_on_loopback(repo):
    text = (repo / "cluster.yaml").read_text()
    assert text.count("RAY_AUTH_MODE=token ray start") == 2
    assert "--dashboard-host=127.0.0.1" in text
