"""deploy/kubernetes held to KubeRay's schema, to what Ray's autoscaler reads of it, and to what is pinned."""

import copy
import re
import shlex

import jsonschema
import pytest
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr  # private: pinned
from ruamel.yaml import YAML

from vimu.runtime.config import load_config
from vimu.stages.config import Config

FILES = ["storage", "raycluster", "rayjob"]


def read(repo, name):
    return YAML(typ="safe").load((repo / "deploy" / "kubernetes" / f"{name}.yaml").read_text())


def pinned(repo, package):
    return re.search(rf"^{package}==(.+)$", (repo / "constraints.txt").read_text(), re.MULTILINE)[1]


@pytest.fixture(scope="module")
def complaints(repo):
    """What the schema has against an object: a line each."""
    schema = YAML(typ="safe").load((repo / "tests" / "data" / "kuberay" / "schema-1.6.2.yaml").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def found(raw):
        chosen = {"$ref": f"#/$defs/{raw.get('kind')}", "$defs": schema["$defs"]}
        return [error.message for error in jsonschema.Draft202012Validator(chosen).iter_errors(raw)]

    return found


def places(value, at=()):
    """Every mapping below a value, with the way to it."""
    if isinstance(value, dict):
        yield at
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(inner, (*at, i))


def at(raw, path):
    for key in path:
        raw = raw[key]
    return raw


def pod_specs(raw):
    spec = raw["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    templates = [cluster["headGroupSpec"]["template"], *(g["template"] for g in cluster["workerGroupSpecs"])]
    return [t["spec"] for t in (*templates, *([spec["submitterPodTemplate"]] if "rayClusterSpec" in spec else []))]


@pytest.mark.parametrize("name", FILES)
def test_it_holds_to_the_schema(repo, complaints, name):
    assert complaints(read(repo, name)) == []


@pytest.mark.parametrize("name", FILES)
def test_a_misspelt_key_is_found_wherever_it_is(repo, complaints, name):
    """Names of resources, labels and parameters of `ray start` are free, and have no keys of their own."""
    raw = read(repo, name)
    free = {"limits", "requests", "rayStartParams"}
    tried = [path for path in places(raw) if not (path and path[-1] in free)]
    assert len(tried) >= 3
    for path in tried:
        wrong = copy.deepcopy(raw)
        at(wrong, path)["imagePulPolicy"] = "Always"
        assert any("imagePulPolicy" in said for said in complaints(wrong)), path


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("spec", "workerGroupSpecs", 0, "maxReplicas"), "8"),
        (("spec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "enableInTreeAutoscaling"), "true"),
        (("spec", "authOptions", "mode"), "tokens"),
        (("spec", "autoscalerOptions", "version"), 2),
        (
            ("spec", "workerGroupSpecs", 1, "template", "spec", "containers", 0, "resources", "limits", "memory"),
            "32 GB",
        ),
        (("spec", "headGroupSpec", "template", "spec", "containers", 0, "env", 1, "value"), 0),
        (("spec", "headGroupSpec", "serviceType"), "Loadbalancer"),
        (("metadata", "name"), "Vimu_1"),
    ],
)
def test_a_wrong_type_or_value_is_found(repo, complaints, path, wrong):
    raw = read(repo, "raycluster")
    at(raw, path[:-1])[path[-1]] = wrong
    assert complaints(raw)


def test_rays_own_autoscaler_reads_of_it_what_is_meant(repo):
    raw = read(repo, "raycluster")
    raw["metadata"]["namespace"] = "default"
    read_by_ray = _derive_autoscaling_config_from_ray_cr(raw)["available_node_types"]
    shown = {
        name: (t["min_workers"], t["max_workers"], {k: v for k, v in t["resources"].items() if k != "memory"})
        for name, t in read_by_ray.items()
    }
    assert shown == {
        "headgroup": (0, 0, {"CPU": 0}),
        "cpu": (0, 8, {"CPU": 16, "synthesis": 16}),
        "gpu": (0, 1, {"CPU": 8, "GPU": 1, "training": 8}),
    }


def test_a_job_has_the_cluster_of_the_other_file(repo):
    assert read(repo, "rayjob")["spec"]["rayClusterSpec"] == read(repo, "raycluster")["spec"]


@pytest.mark.parametrize("name", ["raycluster", "rayjob"])
def test_its_ray_is_the_pinned_one_and_asks_for_tokens(repo, name):
    raw = read(repo, name)
    spec = raw["spec"].get("rayClusterSpec", raw["spec"])
    assert spec["rayVersion"] == pinned(repo, "ray")
    assert spec["authOptions"] == {"mode": "token"} and spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    images = [c["image"] for pod in pod_specs(raw) for c in pod["containers"]]
    version = re.search(r'^version = "(.+)"$', (repo / "pyproject.toml").read_text(), re.MULTILINE)[1]
    for image in images:
        assert re.fullmatch(rf"[\w.]+/vimu:{re.escape(version)}-ray{re.escape(spec['rayVersion'])}(-cuda)?", image)


@pytest.mark.parametrize("name", ["raycluster", "rayjob"])
def test_its_pods_may_do_little(repo, name):
    raw = read(repo, name)
    contexts = [c["securityContext"] for pod in pod_specs(raw) for c in pod["containers"]]
    contexts.append(raw["spec"].get("rayClusterSpec", raw["spec"])["autoscalerOptions"]["securityContext"])
    for context in contexts:
        assert context["runAsNonRoot"] and context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"] and context["capabilities"] == {"drop": ["ALL"]}
    others = pod_specs(raw)[1:]
    assert all(pod["automountServiceAccountToken"] is False for pod in others)  # the head's autoscaler needs one
    for container in (c for pod in pod_specs(raw) for c in pod["containers"]):
        assert container["resources"]["limits"] == container["resources"]["requests"]


def test_every_node_sees_data_and_runs_under_one_path(repo):
    claim = read(repo, "storage")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    *nodes, _ = pod_specs(read(repo, "rayjob"))
    for pod in nodes:
        claimed = [v["name"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
        assert [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if v["name"] in claimed] == ["vimu"]
        mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
        assert [mounts[name] for name in claimed] == ["/vimu"] == [f"/{claim['metadata']['name']}"]


def test_what_the_job_runs_is_in_the_image_and_reads_and_writes_below_the_claim(repo):
    python, script, *given = shlex.split(read(repo, "rayjob")["spec"]["entrypoint"])
    in_image = re.compile("/opt/vimu/(.+)")
    assert python == "python" and (repo / in_image.fullmatch(script)[1]).is_file()
    options = list(zip(given[::2], given[1::2], strict=True))
    [config] = [value for name, value in options if name == "--config"]
    overrides = [value for name, value in options if name == "--set"]
    assert len(options) == 1 + len(overrides)
    settings = load_config(Config, repo / in_image.fullmatch(config)[1], overrides)
    read_or_written = [settings.runs_dir, settings.preparation.real.root, *(i.root for i in settings.synthesis.inputs)]
    assert all(str(place).startswith("/vimu/") for place in read_or_written)
    offered = {"synthesis", "training"}  # as Ray's autoscaler reads it, above
    assert settings.resources.synthesize.custom.keys() <= offered and settings.resources.wait_s > 600
    assert "WORKDIR /opt/vimu\n" in (repo / "deploy" / "Dockerfile").read_text()
