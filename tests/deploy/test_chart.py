"""deploy/chart: rendered by Go's templates, held to Kubernetes' own schemas, and its Redis and its query really run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import redis
import yaml

from queues.protocol.embedded import server_command
from tests.conftest import free_port
from tests.deploy.chart import CHART, Manifest, complaints, default_values, rendered
from tests.eventually import eventually_sync
from tests.monitoring import promtool

OLDEST, NEWEST = "1.27", "1.37"
SECRETS = {"secret": {"secretKey": "k" * 40, "databaseUrl": "postgres://u:p@db/toril"}}
OWN = {**SECRETS, "redis": {"auth": {"password": "correct horse"}}}
PLACED = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "queues", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1_000_000.0}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "podAnnotations": {"prometheus.io/scrape": "true"},
}
CASES: dict[str, dict[str, Any]] = {
    "own": OWN,
    "everything": {
        "secret": {"existing": "shop"},
        "image": {"repository": "registry.example/toril", "tag": "9", "pullSecrets": ["pull"]},
        "env": {"ANTHROPIC_API_KEY": 'a"b: {{ }} \\', "CHAT_QUEUE_CONCURRENCY": "10", "ROOT_PATH": "/toril"},
        "envFrom": [{"secretRef": {"name": "shop-keys"}}],
        "redis": {"persistence": {"storageClass": "fast"}, "config": "hz 20\ntimeout 0"},
        "web": {"replicas": 3.0, "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"}, **PLACED},
        "workers": {"queues": "chat,deep-*", "drainSeconds": 60, "graceSeconds": 70, "sharedClaim": "docs", **PLACED},
        "mirror": {"replicas": 2, **PLACED},
        "autoscaling": {"kind": "hpa"},
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
            "redisFrom": [{"podSelector": {"matchLabels": {"app": "shop"}}}],
        },
    },
    "least": {
        **SECRETS,
        "redis": {"enabled": False},
        "workers": {"enabled": False},
        "mirror": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
    },
    "keda": {**OWN, "autoscaling": {"kind": "keda", "queues": "chat|deep-.+"}},
}


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    return rendered(tmp_path_factory.mktemp("charts"), CASES)


def of(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    (found,) = [one for one in manifests if one["kind"] == kind and one["metadata"]["name"].endswith(name)]
    return found


def test_kubernetes_takes_every_manifest_of_every_case(charts):
    for case, manifests in charts.items():
        for manifest in manifests:
            if manifest["kind"] != "ScaledObject":
                kubernetes_validate.validate(manifest, OLDEST if case == "everything" else NEWEST, strict=True)
        names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
        assert len(set(names)) == len(names), case
    assert [one["kind"] for one in charts["least"]] == ["Secret", "Job", "Deployment", "Service"]


def test_the_values_are_those_that_a_paper_library_asks_for(charts):
    workers = of(charts["own"], "Deployment", "workers")["spec"]
    assert workers["replicas"] == 2
    assert container(workers)["resources"] == {
        "requests": {"cpu": "250m", "memory": "512Mi"},
        "limits": {"cpu": "1000m", "memory": "2Gi"},
    }
    claim = of(charts["own"], "StatefulSet")["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["resources"]["requests"]["storage"] == "20Gi"
    everything = container(of(charts["everything"], "Deployment", "workers")["spec"])
    assert {"name": "ANTHROPIC_API_KEY", "value": 'a"b: {{ }} \\'} in everything["env"]
    assert {"secretRef": {"name": "shop-keys"}} in everything["envFrom"]


def test_each_process_of_ours_is_locked_in_probed_and_waits_for_its_tables(charts):
    for manifests in charts.values():
        for manifest in manifests:
            if manifest["kind"] not in ("Deployment", "StatefulSet", "Job"):
                continue
            pod = manifest["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["automountServiceAccountToken"] is False
            for one in [*pod.get("initContainers", []), *pod["containers"]]:
                assert one["securityContext"]["readOnlyRootFilesystem"] is True
                assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert one["resources"]["limits"]["memory"]
                mounted = {mount["name"] for mount in one["volumeMounts"]}
                assert mounted <= {volume["name"] for volume in volumes(manifest)}
            if manifest["kind"] == "Deployment":
                assert "migrate --check" in pod["initContainers"][0]["command"][-1]
                assert pod["containers"][0]["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_selectors_find_the_pods_they_are_meant_for(charts):
    for manifests in charts.values():
        pods = [one["spec"]["template"]["metadata"]["labels"] for one in manifests if "template" in one.get("spec", {})]
        for manifest in manifests:
            spec = manifest.get("spec", {})
            wanted = spec.get("podSelector", spec.get("selector"))
            if wanted is None or manifest["kind"] == "ScaledObject":
                continue
            labels = wanted.get("matchLabels", wanted if manifest["kind"] == "Service" else {})
            assert [pod for pod in pods if labels.items() <= pod.items()], manifest["metadata"]["name"]


def test_who_sets_replicas_sets_them_alone(charts):
    for case in ("keda", "everything"):
        assert "replicas" not in of(charts[case], "Deployment", "workers")["spec"]
    scaled = of(charts["keda"], "ScaledObject")["spec"]
    assert scaled["scaleTargetRef"] == {"name": of(charts["keda"], "Deployment", "workers")["metadata"]["name"]}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (2, 10)
    hpa = of(charts["everything"], "HorizontalPodAutoscaler")["spec"]
    assert hpa["metrics"][0]["external"]["target"] == {"type": "AverageValue", "averageValue": "30"}


def test_workers_are_added_by_the_oldest_waiting_job_of_queues_that_are_not_paused(charts, tmp_path):
    (trigger,) = of(charts["keda"], "ScaledObject")["spec"]["triggers"]
    rule = {"record": "asked", "expr": trigger["metadata"]["query"]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "scale", "rules": [rule]}]}))
    series = {"chat": ("90x9", "0x9"), "deep-research": ("400x9", "1x9"), "other": ("9000x9", "0x9")}
    told = [
        {"series": f'{name}{{queue="{queue}",instance="a"}}', "values": values}
        for queue, pair in series.items()
        for name, values in zip(("bullmq_queue_oldest_waiting_seconds", "bullmq_queue_paused"), pair, strict=True)
    ]
    asked = {"expr": "asked", "eval_time": "5m", "exp_samples": [{"labels": "asked", "value": 90}]}
    nothing = {"expr": "asked", "eval_time": "5m", "exp_samples": [{"labels": "asked", "value": 0}]}
    tests = [
        {"interval": "1m", "input_series": told, "promql_expr_test": [asked]},
        {"interval": "1m", "input_series": [], "promql_expr_test": [nothing]},
    ]
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": tests}))
    said = promtool("test", "rules", str(tmp_path / "test.yml"))
    assert "SUCCESS" in said, said


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "secret"),
        ({"secret": {"secretKey": "short", "databaseUrl": "postgres://db/toril"}}, "secret"),
        ({"secret": {"secretKey": "k" * 40, "databaseUrl": "sqlite:///db"}}, "secret"),
        (SECRETS, "redis.auth.password"),
        ({**OWN, "env": {"CHAT_QUEUE_CONCURRENCY": 10}}, "env.CHAT_QUEUE_CONCURRENCY"),
        ({**OWN, "autoscaling": {"kind": "often"}}, "autoscaling.kind"),
        ({**OWN, "mirror": {"replicas": 0}}, "mirror.replicas"),
        ({**OWN, "web": {"readiness": "/"}}, "web.readiness"),
    ],
)
def test_helm_refuses_values_that_would_not_do_and_names_them(values, named):
    assert [found for found in complaints(values) if found.startswith(f"{named}:")]


def test_each_value_is_used_and_only_functions_of_gos_own():
    text = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    for path in paths(default_values()):
        heads = [f".Values.{'.'.join(path[:length])}" for length in range(1, len(path) + 1)]
        used = any(re.search(rf"{re.escape(head)}\b(?!\.)", text) for head in heads)
        assert used or f".{path[-1]} " in text, ".".join(path)
    called = set(re.findall(r"\{\{-?\s*(?:else )?(?:if |with |range (?:\$\w+, \$\w+ := )?)?\(?([a-z]\w*)", text))
    assert called <= {*("if", "else", "end", "range", "define", "template", "printf", "and", "or", "not", "eq")}


def paths(values: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from paths(value, (*before, name))
        else:
            yield (*before, name)


def test_the_charts_redis_asks_for_its_password_keeps_what_it_hears_and_takes_more_settings(charts, tmp_path):
    folder, port = tmp_path / "redis", free_port()
    (folder / "data").mkdir(parents=True)
    config = of(charts["everything"], "ConfigMap")["data"]
    for name, text in config.items():
        (folder / name).write_text(text.replace("/data", str(folder / "data")).replace("6379", str(port)))
    (command,) = container(of(charts["everything"], "StatefulSet")["spec"])["command"][2:]
    command = command.replace("/tmp/redis", str(folder / "told")).replace("/etc/toril", str(folder))  # noqa: S108
    command = command.replace("valkey-server", str(server_command()[0]))
    environ = {"REDISCLI_AUTH": "correct horse", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(["sh", "-ec", command], env=environ, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, password="correct horse", decode_responses=True) as client:
            eventually_sync(lambda: process.poll() is not None or answers(client), 30)
            wanted = {"appendonly": "yes", "maxmemory": str(1024**3), "maxmemory-policy": "noeviction", "hz": "20"}
            assert {name: client.config_get(name)[name] for name in wanted} == wanted
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        process.kill()
        process.wait()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def container(spec: dict[str, Any]) -> dict[str, Any]:
    return dict(spec["template"]["spec"]["containers"][0])


def volumes(manifest: Manifest) -> list[dict[str, Any]]:
    spec = manifest["spec"]
    claims = [claim["metadata"] for claim in spec.get("volumeClaimTemplates", [])]
    return [*spec["template"]["spec"].get("volumes", []), *claims]


def test_the_chart_is_versioned_as_toril_is():
    from queues.version import VERSION

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"], default_values()["image"]["tag"]) == (VERSION,) * 3
    assert Path(CHART / "values.schema.json").exists()
