"""Workers of training meet at the addresses of their Ray nodes."""

import pytest

from vimu.training import process_group
from vimu.training.process_group import VARIABLE, NodesTorchConfig, interface_of, name_interface


def test_the_interface_of_an_address_is_found():
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("192.0.2.254") is None, "an address that no machine has"


@pytest.mark.parametrize(("named", "wanted"), [(None, "lo"), ("eth7", "eth7")])
def test_gloo_is_told_unless_a_person_has(monkeypatch, named, wanted):
    monkeypatch.setattr(process_group, "get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setenv(VARIABLE, named or "")  # so that it is put back
    if named is None:
        monkeypatch.delenv(VARIABLE)
    name_interface()
    assert process_group.os.environ[VARIABLE] == wanted


def test_workers_are_told_before_they_look_for_each_other(monkeypatch):
    told = []
    backend = NodesTorchConfig(backend="gloo").backend_cls()
    monkeypatch.setattr(process_group._TorchBackend, "on_start", lambda *_: told.append("met"))
    group = type("Group", (), {"execute": lambda _, given: told.append(given)})()
    backend.on_start(group, NodesTorchConfig(backend="gloo"))
    assert told == [name_interface, "met"]
