"""What Ray has to offer, and how long to wait for more."""

import os
import time
from collections.abc import Mapping

CHECK_EVERY_S = 0.5


def offered(wanted: Mapping[str, float], wait_s: float) -> dict[str, float]:
    """How much of each resource Ray has in all, in use or not.

    A local Ray never has more than now. The cluster that `RAY_ADDRESS` names may grow: it is told what is wanted and
    looked at until it has that, or `wait_s` are over.

    Args:
        wanted: resource -> how much, in units that a node can give singly: `{"CPU": 2}`.
    """
    from ray.autoscaler.sdk import request_resources

    has = _has(wanted)
    if not os.environ.get("RAY_ADDRESS") or _enough(has, wanted):
        return has
    units = [{name: 1} for name, n in wanted.items() for _ in range(int(n))]
    request_resources(bundles=units)
    until = time.monotonic() + wait_s
    while not _enough(has, wanted) and time.monotonic() < until:
        time.sleep(min(CHECK_EVERY_S, wait_s))
        has = _has(wanted)
    request_resources(bundles=[])
    return has


def _has(wanted: Mapping[str, float]) -> dict[str, float]:
    import ray

    total = ray.cluster_resources()
    return {name: float(total.get(name, 0)) for name in wanted}


def _enough(has: Mapping[str, float], wanted: Mapping[str, float]) -> bool:
    return all(has[name] >= n for name, n in wanted.items())
