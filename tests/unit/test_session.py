"""A Ray that does not start is a sentence; what the environment says of Ray stays."""

import os
import socket

import pytest
import ray

from vimu.runtime.errors import OperationError
from vimu.runtime.resources import ResourceSettings
from vimu.runtime.session import NOTICED, RaySettings, ray_session

PAUSE, PATIENCE = NOTICED


@pytest.fixture(autouse=True)
def without_settings(monkeypatch):
    """Sets them, so that what a session sets is taken back."""
    for name in NOTICED:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("address", "says"),
    [(None, "Ray did not start: .* Run the same command again"), ("auto", "No cluster answers .* auto")],
)
@pytest.mark.parametrize("error", [Exception("The current node timed out\nduring startup."), ConnectionError("x")])
def test_a_ray_that_does_not_start_is_a_failed_operation_in_a_sentence(monkeypatch, address, says, error):
    def init(**_):
        raise error

    ended = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with pytest.raises(OperationError, match=says) as raised, ray_session(RaySettings()):
        pass
    assert "\n" not in str(raised.value)
    assert ended


def test_where_nothing_listens_no_cluster_is_waited_for_longer_than_asked(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "init", None)
        says = f"No cluster answers at `RAY_ADDRESS` = {address}"
        with pytest.raises(OperationError, match=says), ray_session(RaySettings(), ResourceSettings(wait_s=0)):
            pass


@pytest.mark.parametrize(("address", "pause"), [("auto", NOTICED[PAUSE]), (None, None)])
def test_on_a_cluster_a_lost_machine_is_noticed_sooner_than_by_ray_itself(monkeypatch, address, pause):
    """How soon is what `tests/chaos/test_several_machines.py` waits for."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv(PATIENCE, "5000")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with ray_session(RaySettings()):
        assert (os.environ.get(PAUSE), os.environ[PATIENCE]) == (pause, "5000")
