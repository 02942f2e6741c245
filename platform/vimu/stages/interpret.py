"""Interpretations of windows: measured in Ray tasks, put into words by a backend, judged, written again, published."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from vimu.runtime.errors import UserError
from vimu.runtime.manifest import Outcome, content_hash
from vimu.runtime.published import Published
from vimu.runtime.session import ray_session
from vimu.runtime.storage import Location, StoredFile, absolute, location, write_whole
from vimu.semantics.cache import Cache
from vimu.semantics.calls import Calls
from vimu.semantics.channels import FEATURE_SET, sensors_to_measure, six_channels
from vimu.semantics.endpoint import require_client
from vimu.semantics.gates import HardGates, Relations, load_relations
from vimu.semantics.gravity import require_gravity
from vimu.semantics.labels import Labels, label_rows, load_labels, naming
from vimu.semantics.measure import VERSION, measure
from vimu.semantics.neighbours import Embed, SoftGate, hashed_words
from vimu.semantics.prompts import Prompts, load_prompts
from vimu.semantics.rounds import Backend, Round, RulesBackend, Written, write_all
from vimu.semantics.rules import Numbers, Rules, as_numbers, load_rules
from vimu.semantics.settings import SemanticsSettings
from vimu.semantics.spectra import Values
from vimu.semantics.summary import summary_of
from vimu.semantics.tables import (
    acceptance_table,
    feature_arrays,
    feature_table,
    interpretation_table,
    label_table,
    text_hashes,
)
from vimu.semantics.writer import EndpointBackend, write_labels
from vimu.stages.config import Config
from vimu.stages.shards import Row, mark_done, run_shards, say_about, write_shard
from vimu.stages.stage import Plan, Stage, input_identity, upstream
from vimu.windows.schema import read_windows

NAME = "interpret"
PARTS = ".parts"
"""Features a windows file; hidden, so that they are not published."""


@dataclass(frozen=True)
class Work:
    """The windows, and what turns them into words."""

    prepared: Published
    files: tuple[StoredFile, ...]
    sensor: str
    rate_hz: float
    length_frames: int
    rules: Rules
    labels: Labels
    relations: Relations
    prompts: Prompts


def plan(config: Config) -> Plan[Work]:
    """Which windows are interpreted, by what.

    Raises:
        UserError: no windows are published, they lack the gyroscope or the sensor, a label is not described, a file of
            rules, labels or prompts is wrong, or the endpoint's client is not installed.
    """
    settings = config.semantics
    if settings.backend == "openai":
        require_client()
    prepared = upstream(config, "prepare")
    files = tuple(prepared.files("windows/"))
    sensor, rate_hz, length_frames = _signal(files, settings)
    labels, labels_path = load_labels(settings.labels_file)
    counts = _windows_by_label(prepared)
    labels.require(counts, labels_path)
    work = Work(
        prepared, files, sensor, rate_hz, length_frames, load_rules(settings.rules_file), labels, load_relations(),
        load_prompts(settings.prompts),
    )  # fmt: skip
    return Plan(
        identity={
            "settings": settings.of_texts(),
            "sensor": sensor,
            "measure": VERSION,
            "rules": work.rules.digest,
            "labels": labels.digest,
            "relations": work.relations.digest,
            "prompts": work.prompts.version if settings.backend == "openai" else None,
            "inputs": input_identity(prepared),
        },
        counts={"windows": prepared.manifest["counts"]["windows"], "activities": len(counts), "tasks": len(files)},
        tables={f"windows of {sensor} at {rate_hz:g} Hz, {length_frames / rate_hz:g} s": sorted(counts.items())},
        work=work,
    )


def build(config: Config, plan: Plan[Work], staging: Location, *, embed: Embed = hashed_words) -> Outcome:
    """Measure, write, judge; write the tables and the summary.

    Args:
        embed: texts -> vectors, for the soft gate.
    """
    if config.semantics.backend == "rules":
        return _build(config, plan, staging, embed)
    with ray_session(config.ray, config.resources):  # one for measuring and for every round of calls
        return _build(config, plan, staging, embed)


STAGE = Stage(NAME, plan, build, workers_write=True)


def _build(config: Config, plan: Plan[Work], staging: Location, embed: Embed) -> Outcome:
    assert plan.work is not None
    work, settings = plan.work, config.semantics
    table = _measured(config, work, staging)
    features = feature_arrays(table)
    datasets = np.array(table.column("dataset").to_pylist())
    for dataset in sorted(set(datasets.tolist())):
        require_gravity(features["gravity_magnitude"][datasets == dataset], dataset)

    calls = _calls(config, plan)
    written, rounds = _write(work, settings, calls, table, features, embed)
    of_labels: dict[str, list[str]] = {}
    if calls is not None and settings.written_label_texts:
        of_labels = write_labels(
            calls.ask, work.prompts, work.labels, n=settings.written_label_texts, max_rounds=settings.max_rounds
        )

    ids, labels = table.column("window_id").to_pylist(), label_rows(work.labels, of_labels)
    write_shard(staging / "features.parquet", table, dictionary=["dataset", "split"])
    interpretations = interpretation_table(ids, written)
    write_shard(staging / "interpretations.parquet", interpretations, dictionary=[*interpretations.column_names[1:]])
    write_shard(staging / "labels.parquet", label_table(labels), dictionary=["label"])
    write_shard(staging / "acceptance.parquet", acceptance_table(rounds), dictionary=["outcome"])
    summary = summary_of(settings, written, rounds, None if calls is None else calls.accounts())
    write_whole(staging / "summary.json", json.dumps(summary, indent=1))
    return Outcome(
        counts={
            "windows": len(table), "interpretations": len(written), "accepted": summary["accepted"],
            "labels": len(work.labels.activities),
        },
        content_hash=content_hash(text_hashes(ids, written, labels)),
        licences=work.prepared.manifest["licences"],
        details={
            "summary": summary,
            "sensor": work.sensor,
            "rate_hz": work.rate_hz,
            "length_frames": work.length_frames,
            "synthetic": work.prepared.details["synthetic"],
        },
    )  # fmt: skip


def _write(
    work: Work, settings: SemanticsSettings, calls: Calls | None, table: pa.Table, features: Mapping[str, Values],
    embed: Embed,
) -> tuple[list[Written], list[Round]]:  # fmt: skip
    """Every window's interpretation by the backend, judged as the settings say."""
    rules = RulesBackend(work.rules.interpret)
    backend: Backend = rules
    if calls is not None:
        duration_s = work.length_frames / work.rate_hz
        backend = EndpointBackend(calls.ask, work.prompts, duration_s=duration_s, rate_hz=work.rate_hz)
    judge = settings.judge
    hard = soft = None
    if judge is not None:
        hard = HardGates(work.relations, naming(work.labels.words()), judge.tolerance)
        training = np.array(table.column("split").to_pylist()) == "train"  # no test window has a say
        soft = SoftGate(features, training, embed, n_neighbours=judge.n_neighbours, n_mads=judge.n_mads)

    def numbers(row: int) -> Numbers:
        return as_numbers(features, row)

    return write_all(backend, rules, numbers, len(table), hard=hard, soft=soft, max_rounds=settings.max_rounds)


def run_task(item: Row) -> Row:
    """Measure the windows of one file, in a worker."""
    file, staging = StoredFile(**json.loads(item["file"])), location(item["staging"])
    say_about(item, file.where)
    windows = read_windows([file])
    features = measure(six_channels(windows, item["sensor"]), rate_hz=windows.rate_hz)
    table = feature_table(windows.window_id.tolist(), windows.dataset.tolist(), windows.split.tolist(), features)
    part = write_shard(staging / PARTS / f"{item['shard']}.parquet", table, dictionary=["dataset", "split"])
    return mark_done(staging, item["shard"], [], part, made=len(table), unit="windows")


def _measured(config: Config, work: Work, staging: Location) -> pa.Table:
    """Features of all windows, by id."""
    items = [
        {
            "shard": f"{number:06d}", "file": json.dumps(asdict(file)), "staging": absolute(staging),
            "sensor": work.sensor,
        }
        for number, file in enumerate(work.files)
    ]  # fmt: skip
    _, parts = run_shards(run_task, items, staging, config.ray, config.resources, NAME)
    return pa.concat_tables([part.table() for part in parts]).sort_by("window_id").combine_chunks()


def _calls(config: Config, plan: Plan[Work]) -> Calls | None:
    """The endpoint's calls, where the backend is an endpoint."""
    settings = config.semantics
    if settings.backend != "openai":
        return None
    assert plan.work is not None and settings.endpoint is not None  # the settings saw to it
    place = settings.cache if settings.cache is not None else config.runs_dir / ".interpretations"
    run = hashlib.sha256(json.dumps([str(config.run_dir), plan.identity], sort_keys=True).encode()).hexdigest()[:16]
    return Calls(settings.endpoint, Cache(place), run, plan.work.prompts.version, config.ray)


def _signal(files: tuple[StoredFile, ...], settings: SemanticsSettings) -> tuple[str, float, int]:
    """Sensor, rate and length of the windows. Raises UserError: they cannot be measured."""
    schema = files[0].schema()
    meta = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    if meta["feature_set"] != FEATURE_SET:
        raise UserError(
            f"`prepare.windows.feature_set` must be `{FEATURE_SET}` to be interpreted, but is `{meta['feature_set']}`."
        )
    sensors = sensors_to_measure(meta["channels"].split(","))
    if settings.sensor is None and len(sensors) > 1:
        raise UserError(f"`semantics.sensor` must name one of {', '.join(sensors)}, but is not given.")
    sensor = settings.sensor or sensors[0]
    if sensor not in sensors:
        raise UserError(f"`semantics.sensor` must be one of {', '.join(sensors)}, but is `{sensor}`.")
    return sensor, float(meta["rate_hz"]), int(schema.field("x").type.shape[0])


def _windows_by_label(prepared: Published) -> Counter[str]:
    counts: Counter[str] = Counter()
    for by_split in prepared.details["windows"].values():
        for by_label in by_split.values():
            counts.update(by_label)
    return counts
