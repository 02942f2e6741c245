"""What a run is at, as Prometheus reads it of a real Ray."""

import json
import re
import time
import urllib.request

import pytest

from vimu.runtime import metrics
from vimu.runtime.progress import tracked


@pytest.mark.ray
def test_prometheus_finds_what_a_stage_says(local_ray):
    import ray

    with metrics.of_stage("r1", "synthesize"):
        metrics.count_task({"left_out": json.dumps({"too_short": 2}), "made": 640, "unit": "frames"})
        assert list(tracked([1, 2], "tasks", total=2)) == [1, 2]
    [node] = ray.nodes()
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    wanted = {
        'ray_vimu_made_total{.*run="r1",stage="synthesize",unit="frames"} 640.0',
        'ray_vimu_rejections_total{.*reason="too_short",run="r1",stage="synthesize"} 2.0',
        'ray_vimu_tasks_done_total{.*run="r1",stage="synthesize",unit="tasks"} 2.0',
        'ray_vimu_stage_state{.*run="r1",stage="synthesize"} 2.0',
    }
    until = time.monotonic() + 90
    while time.monotonic() < until:
        page = urllib.request.urlopen(url, timeout=30).read().decode()
        if all(re.search(line, page) for line in wanted):
            return
        time.sleep(1)
    pytest.fail(f"not shown after 90 s: {sorted(line for line in wanted if not re.search(line, page))}")
