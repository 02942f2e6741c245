"""What Ray Data alone leaves in a driver: `python -m benchmarks.soak_control --executions 300`.

The control of `benchmarks.soak`: a flat_map of seven rows that does nothing, executed over and over in one driver.
Prints JSON: the driver's own memory (MiB) at the first and the last third's middle, and how many objects of Python's
each execution leaves, by type.
"""

import argparse
import gc
import json
import logging
import os
import shutil
import statistics
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.processes import own_mib

WARM_UP = 10
"""Executions that do not count."""
N_ROWS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=300)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vimu-control-", dir="/tmp"))  # short, for sockets  # nosec B108
    os.environ |= {"RAY_TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0"}
    try:
        print(json.dumps(_measured(given.executions), indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measured(n: int) -> dict[str, Any]:
    import ray
    import ray.data

    from vimu.runtime.session import RaySettings, ray_session

    memory, before = [], Counter[str]()
    with ray_session(RaySettings(num_cpus=2, object_store_mb=100)):
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        for i in range(WARM_UP + n):
            rows = ray.data.from_items([{"i": k} for k in range(N_ROWS)], override_num_blocks=N_ROWS)
            assert sum(1 for _ in rows.flat_map(lambda row: [row], num_cpus=1).iter_rows()) == N_ROWS
            if i == WARM_UP - 1:
                before = _objects()
            memory.append(own_mib(os.getpid()))
        left = _objects() - before
    warm = memory[WARM_UP:]
    third = max(n // 3, 1)
    return {
        "executions": n,
        "driver_mib": {k: round(statistics.median(part), 1) for k, part in
                       (("first", warm[:third]), ("last", warm[-third:]))},
        "objects_an_execution": {name: round(count / n, 1) for name, count in left.most_common(9)},
    }  # fmt: skip


def _objects() -> Counter[str]:
    gc.collect()
    return Counter(type(one).__qualname__ for one in gc.get_objects())


if __name__ == "__main__":
    main()
