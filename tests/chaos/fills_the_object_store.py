"""`jobs/synthesize.py` in a Ray whose object store is filled three times over, and held so until the job has ended.

Leaves word in the file that FILLED names: how many objects came back as they were, how many files they were spilled to.
"""

import json
import os
from pathlib import Path

import numpy as np

from vimu.runtime.session import ray_session
from vimu.stages import synthesize
from vimu.stages.job import run_stage

N_OBJECTS, OBJECT_MB = 30, 10
run_shards = synthesize.run_shards


def in_a_full_store(task, items, staging, ray_settings, resources, stage):
    with ray_session(ray_settings):
        import ray

        assert 3 * ray_settings.object_store_mb <= N_OBJECTS * OBJECT_MB
        held = [ray.put(np.full(OBJECT_MB * 2**20, i, np.uint8)) for i in range(N_OBJECTS)]
        outcome = run_shards(task, items, staging, ray_settings, resources, stage)
        n_spilled = sum(path.is_file() for path in Path(os.environ["RAY_TMPDIR"]).rglob("ray_spilled_objects*/*"))
        whole = [bool((ray.get(reference) == i).all()) for i, reference in enumerate(held)]
    Path(os.environ["FILLED"]).write_text(json.dumps({"whole": sum(whole), "spilled": n_spilled}))
    return outcome


if __name__ == "__main__":
    synthesize.run_shards = in_a_full_store
    run_stage(synthesize.STAGE)
