"""`python -m deploy.audit`: known vulnerabilities of the pinned packages, by pip-audit.

Exit code 1: a package has one that `deploy/allowed_vulnerabilities.yaml` does not let pass today. Where the database
cannot be reached, the step says by name that it did not run, and ends with 0.
"""

import datetime
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.dependencies import ROOT
from ruamel.yaml import YAML

ALLOWED = ROOT / "deploy" / "allowed_vulnerabilities.yaml"
NOT_RUN = "NOT RUN: pip-audit could not reach its database of vulnerabilities; nothing was checked"
UNREACHABLE = (
    "ServiceError",
    "ConnectionError",
    "ConnectTimeout",
    "Failed to connect",
    "Max retries",
    "Could not connect",
)
"""What pip-audit says where its database does not answer."""


@dataclass(frozen=True)
class Found:
    package: str
    version: str
    ids: frozenset[str]
    """Its names in several lists: GHSA-..., CVE-..., PYSEC-...."""


@dataclass(frozen=True)
class Allowed:
    id: str
    package: str
    until: datetime.date
    reason: str


def allowed(entries: Iterable[Mapping[str, Any]]) -> list[Allowed]:
    """Raises TypeError, KeyError: an entry says too little, or no day."""
    listed = [Allowed(str(e["id"]), str(e["package"]), e["until"], str(e["reason"])) for e in entries]
    for entry in listed:
        if not isinstance(entry.until, datetime.date) or not entry.reason:
            raise TypeError(f"`{entry.id}` must say `until` as a day, and a `reason`")
    return listed


def not_allowed(found: Iterable[Found], entries: Iterable[Allowed], today: datetime.date) -> list[str]:
    """A sentence for each vulnerability that may not pass today."""
    passes = {(e.package, e.id): e.until for e in entries}
    said = []
    for one in found:
        until = max((passes[one.package, i] for i in one.ids if (one.package, i) in passes), default=None)
        if until is None or until < today:
            past = "" if until is None else f"; it was let pass until {until}"
            said.append(f"{one.package} {one.version}: {', '.join(sorted(one.ids))}{past}")
    return said


def found_in(report: Mapping[str, Any]) -> list[Found]:
    """The vulnerabilities of pip-audit's JSON."""
    return [
        Found(package["name"], package["version"], frozenset([v["id"], *v["aliases"]]))
        for package in report["dependencies"]
        for v in package.get("vulns", [])
    ]


def main() -> int:
    listed = allowed(YAML(typ="safe", pure=True).load(ALLOWED)["allowed"])
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt"), "--no-deps"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603
    try:
        report = json.loads(done.stdout)
    except ValueError:
        if any(word in done.stderr for word in UNREACHABLE):
            print(NOT_RUN)
            return 0
        print(done.stderr, file=sys.stderr)
        return 1
    skipped = [p["name"] for p in report["dependencies"] if "skip_reason" in p]
    if len(skipped) == len(report["dependencies"]):  # a mirror of packages that has no vulnerabilities
        print(NOT_RUN)
        return 0
    bad = not_allowed(found_in(report), listed, datetime.datetime.now(datetime.UTC).date())
    n_checked = len(report["dependencies"]) - len(skipped)
    print("\n".join(["vulnerable:", *bad]) if bad else f"{n_checked} packages: nothing known that may not pass")
    if skipped:
        print(f"not in the database, so not checked: {', '.join(skipped)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
