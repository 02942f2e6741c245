"""The exported recogniser's speed on one core: `python -m benchmarks.recognizer --json FILE`.

The network of `configs/open.yaml` (4 s windows of 80 frames x 30 channels, 12 classes) with random weights, as fast as
trained ones; generated samples; one thread.

`stream_p99_ms`: all that a hop of 40 frames costs, pushed frame by frame: checks, cutting, network. Beside it the last
push alone, which is how late an answer is, and torch on one window at a time. `batch_windows_per_s`: windows in memory
to probabilities; `predict_windows_per_s` takes recordings of a minute, and cuts them too. Throughputs are those of the
fastest of several rounds, as others on the machine only make rounds slower; latencies are of all hops. `cpu` has the
same by CPU time: what a core that nobody shares would give.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vimu.contracts import STANDARD_GRAVITY, ImuRecording
from vimu.models.choice import build_network
from vimu.runtime.config import load_config
from vimu.serving.export import check_equal, to_onnx
from vimu.serving.onnx_model import OnnxModel
from vimu.serving.preprocessing import Preprocessing, preprocessing_of
from vimu.serving.recognizer import Recognizer
from vimu.stages.config import Config

N_CLASSES, N_WINDOWS, ROUNDS = 12, 4096, 7
N_HOPS, WARM_UP_HOPS = 3000, 50
TO_REACH = {"stream_p99_ms": "(to reach: at most 1)", "batch_windows_per_s": "(to reach: at least 20,000)"}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    figures = measure()
    print(f"{'':28} {'wall clock':>12} {'CPU time':>12}")
    for name, value in figures.items():
        if name != "cpu":
            by_cpu = f"{figures['cpu'][name]:12,.4g}" if name in figures["cpu"] else f"{'':12}"
            print(f"{name:28} {value:12,.4g} {by_cpu}  {TO_REACH.get(name, '')}")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1))


def measure() -> dict[str, Any]:
    """All figures by name."""
    config = load_config(Config, Path("configs/open.yaml"))
    windows = config.preparation.windows
    assert windows.sensors is not None
    fed = preprocessing_of(
        windows, sensors=windows.sensors, classes=tuple(f"c{i:02d}" for i in range(N_CLASSES)), mounting="as_worn",
        synthetic=True,
    )  # fmt: skip
    shape = {"n_channels": len(fed.channels), "length_frames": windows.length_frames}
    torch.manual_seed(0)
    network = build_network(config.pretrain.model, n_classes=N_CLASSES, **shape).eval()
    graph = to_onnx(network, **shape)
    recognizer = Recognizer(OnnxModel(graph, where="benchmark", n_classes=N_CLASSES, **shape), fed, {})

    x = np.random.default_rng(0).normal(0, 5, (N_WINDOWS, windows.length_frames, len(fed.channels))).astype(np.float32)
    recordings = [worn(fed, int(60 * windows.rate_hz), seed) for seed in range(20)]
    n_cut = sum(len(recognizer.predict(recording)) for recording in recordings)
    hops, answers = stream(recognizer, fed)
    alone = np.array([seconds(lambda i=i: network.predict_proba(x[i : i + 1])) for i in range(1000)])[WARM_UP_HOPS:]
    of_clock = [
        {
            "stream_p50_ms": 1e3 * float(np.percentile(hops[:, clock], 50)),
            "stream_p99_ms": 1e3 * float(np.percentile(hops[:, clock], 99)),
            "answer_p99_ms": 1e3 * float(np.percentile(answers[:, clock], 99)),
            "torch_window_p99_ms": 1e3 * float(np.percentile(alone[:, clock], 99)),
        }
        for clock in (0, 1)
    ]
    for name, n, work in (
        ("batch_windows_per_s", N_WINDOWS, lambda: recognizer.probabilities(x)),
        ("predict_windows_per_s", n_cut, lambda: [recognizer.predict(r) for r in recordings]),
        ("torch_batch_windows_per_s", N_WINDOWS, lambda: network.predict_proba(x)),
    ):
        fastest = np.min([seconds(work) for _ in range(ROUNDS)], axis=0)
        for clock, figures in enumerate(of_clock):
            figures[name] = n / float(fastest[clock])
    wall, cpu = of_clock
    return wall | {"difference_from_torch": check_equal(network, graph, fed, x), "cpu": cpu}


def stream(recognizer: Recognizer, fed: Preprocessing) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Wall-clock and CPU seconds of each hop's pushes together, and of the push that gave its answer."""
    hop, length = fed.windows.hop_frames, fed.windows.length_frames
    n_hops = N_HOPS + WARM_UP_HOPS
    worn_by = worn(fed, length + n_hops * hop, seed=0)
    signals = [name for name in ("acc", "gyr") if getattr(worn_by, name) is not None]
    frames = [
        {name: {sensor: getattr(worn_by, name)[t, s] for s, sensor in enumerate(fed.sensors)} for name in signals}
        for t in range(worn_by.n_frames)
    ]
    live = recognizer.stream(rate_hz=fed.windows.rate_hz)
    for frame in frames[:length]:
        live.push(**frame)
    spent = np.array([seconds(lambda frame=frame: live.push(**frame)) for frame in frames[length:]])
    spent = spent.reshape(n_hops, hop, 2)[WARM_UP_HOPS:]
    return spent.sum(axis=1), spent[:, -1]


def worn(fed: Preprocessing, n_frames: int, seed: int) -> ImuRecording:
    """Noise about gravity."""
    rng = np.random.default_rng(seed)
    acc = rng.normal(0, 2, (n_frames, len(fed.sensors), 3)) + np.array([0, STANDARD_GRAVITY, 0])
    gyr = rng.normal(0, 1, acc.shape).astype(np.float32) if "gyr" in fed.units else None
    return ImuRecording(acc.astype(np.float32), gyr, None, fed.windows.rate_hz, fed.sensors, "sensor", "included")


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one call."""
    start, cpu_start = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - start, time.thread_time() - cpu_start


if __name__ == "__main__":
    main()
