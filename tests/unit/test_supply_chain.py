"""What is installed: pinned, of a known licence, looked up for vulnerabilities; and weights by their sums."""

import datetime
import json
import subprocess
from types import SimpleNamespace

import pytest
from deploy import audit
from deploy.audit import Allowed, Found, allowed, found_in, not_allowed
from deploy.dependencies import PAGE, class_of, dependencies, page, pins, reachable
from deploy.sbom import bill

from vimu.runtime.config import configs_folder, validate
from vimu.runtime.yaml import read_yaml
from vimu.semantics.encoder_files import NEEDED, Packaged

INSTALLER = {"pip"}
TODAY = datetime.date(2026, 11, 22)
DAY = datetime.timedelta(days=1)


def test_every_package_that_an_extra_leads_to_is_pinned():
    assert set(reachable()) - set(pins()) - INSTALLER == set()


def test_every_pinned_package_has_a_licence_of_a_known_class():
    assert {d.name: d.licence for d in dependencies() if d.licence_class == "unknown"} == {}
    assert [d.name for d in dependencies() if d.licence_class == "non_commercial"] == ["smplx"]


def test_making_the_page_of_licences_again_changes_nothing():
    """`make licences` wrote it, wherever that was, and whichever extras are installed here."""
    assert page() == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("MIT", "permissive"), ("Apache-2.0 OR BSD-3-Clause", "permissive"), ("MPL-2.0 AND MIT", "weak_copyleft"),
        ("MPL-2.0 OR MIT", "permissive"), ("(MIT) AND LicenseRef-MPI-non-commercial", "non_commercial"),
        ("Apache-2.0 WITH LLVM-exception AND BSL-1.0", "permissive"), ("MIT AND GPL-3.0-only", None), ("", None),
        (None, None), ("GPL-3.0-only OR MIT", "permissive"),
    ],
)  # fmt: skip
def test_of_several_licences_the_strictest_counts_and_of_a_choice_the_mildest(expression, wanted):
    assert class_of(expression) == wanted


REPORT = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1", "GHSA-1"], "fix_versions": []}]},
        {"name": "b", "version": "2", "vulns": []},
        {"name": "c", "skip_reason": "not found"},
    ]
}


@pytest.mark.parametrize(
    ("entries", "n_bad"),
    [
        ([], 1),
        ([Allowed("CVE-1", "a", TODAY, "not used")], 0),
        ([Allowed("CVE-1", "a", TODAY - DAY, "not used")], 1),
        ([Allowed("CVE-1", "b", TODAY, "another package")], 1),
        ([Allowed("CVE-2", "a", TODAY, "another vulnerability")], 1),
    ],
)
def test_a_vulnerability_passes_until_its_day(entries, n_bad):
    assert found_in(REPORT) == [Found("a", "1", frozenset({"PYSEC-1", "CVE-1", "GHSA-1"}))]
    assert len(not_allowed(found_in(REPORT), entries, TODAY)) == n_bad


def test_an_entry_without_a_day_or_a_reason_is_none():
    with pytest.raises(KeyError):
        allowed([{"id": "x", "package": "a", "until": TODAY}])
    with pytest.raises(TypeError, match="as a day"):
        allowed([{"id": "x", "package": "a", "until": "soon", "reason": "x"}])


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "said"),
    [
        (json.dumps(REPORT), "", 1, "a 1: CVE-1, GHSA-1, PYSEC-1"),
        (json.dumps({"dependencies": REPORT["dependencies"][1:]}), "", 0, "1 packages: nothing known"),
        (json.dumps({"dependencies": REPORT["dependencies"][2:]}), "", 0, "NOT RUN"),
        ("", "pip_audit._service.interface.ConnectionError: Could not connect", 0, "NOT RUN"),
        ("", "Traceback: a bug", 1, "a bug"),
    ],
)
def test_only_an_unreachable_database_lets_an_audit_that_did_not_run_pass(
    monkeypatch, capsys, stdout, stderr, code, said
):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=stdout, stderr=stderr))
    assert audit.main() == code
    told = capsys.readouterr()
    assert said in told.out + told.err


def test_the_bill_of_materials_holds_every_pin():
    assert {(c.name, c.version) for c in bill().components} == set(pins().items())


def test_weights_are_named_with_their_sums():
    raw = read_yaml(configs_folder() / "semantics" / "encoders.yaml")
    for name, entry in raw.items():
        sums = validate(Packaged, entry, where=name).sha256
        assert set(NEEDED) <= set(sums)
        assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in sums.values())
