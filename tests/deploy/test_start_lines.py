"""What deploy/ starts: each line is one that the program it names accepts, and managers wait until it has ended."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from daphne.cli import CommandLineInterface
from django.core.management import load_command_class

from dashboard import draining
from tests import services
from tests.deploy.chart import rendered
from tests.deploy.image import ROOT, instructions
from tests.monitoring import DEPLOY, rules

OWN = {
    "secret": {"secretKey": "k" * 40, "databaseUrl": "postgres://u:p@db/toril"},
    "redis": {"auth": {"password": "correct horse"}},
}
UNITS = {
    "web": "toril-web@.service",
    "worker": "toril-worker.service",
    "mirror": "toril-mirror.service",
}
#: Seconds that jobs have to finish, by default.
DRAIN_S = 25


def of_the_image() -> list[list[str]]:
    steps = dict(instructions((ROOT / "Dockerfile").read_text()))
    return [shlex.split(json.loads(steps["CMD"])[-1].replace("$PORT", "8000"))]


def of_the_procfile() -> list[list[str]]:
    text = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", (ROOT / "Procfile").read_text())
    return [shlex.split(line.split(":", 1)[1]) for line in text.splitlines()]


def of_compose() -> list[list[str]]:
    found = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return [found[name]["command"] for name in ("worker", "mirror")]


def of_systemd() -> list[list[str]]:
    return [shlex.split(unit(name)["ExecStart"].replace("%i", "8001")) for name in UNITS.values()]


def of_pm2() -> list[list[str]]:
    return [["python", *app["args"]] for app in ecosystem()["apps"]]


def of_the_chart(folder: Path) -> list[list[str]]:
    manifests = rendered(folder, {"own": OWN})["own"]
    found = [one["spec"]["template"]["spec"] for one in manifests if one["kind"] in ("Deployment", "Job")]
    containers = [pod["containers"][0] for pod in found]
    return [words for one in containers if (words := [*one.get("command", []), *one.get("args", [])])]


def ecosystem() -> dict[str, Any]:
    services.require_node()
    told = "console.log(JSON.stringify(require(process.argv[1])))"
    command = ["node", "-e", told, str(ROOT / "deploy" / "pm2" / "ecosystem.config.js")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def unit(name: str) -> dict[str, str]:
    lines = (ROOT / "deploy" / "systemd" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_each_line_is_one_that_its_program_accepts(tmp_path):
    lines = [*of_the_image(), *of_the_procfile(), *of_compose(), *of_systemd(), *of_pm2(), *of_the_chart(tmp_path)]
    started = [accepted(line) for line in lines]
    assert {kind: started.count(kind) for kind in set(started)} == {
        "daphne": 4,
        "runworkers": 5,
        "runmirror": 5,
        "migrate": 1,
    }


def accepted(line: list[str]) -> str:
    """What it starts. Raises where a flag is not known."""
    words = line[line.index("python") + 1 :] if "python" in line else line[1:]
    if words[:2] == ["-m", "daphne"]:
        told = CommandLineInterface().parser.parse_args(words[2:])
        assert (told.application, told.ping_interval, told.ping_timeout) == ("dashboard.asgi:application", 5, 10)
        return "daphne"
    assert words[0] == "manage.py"
    app = "django.core" if words[1] == "migrate" else "queues"
    load_command_class(app, words[1]).create_parser("manage.py", words[1]).parse_args(words[2:])
    return words[1]


def test_whoever_stops_a_process_waits_until_it_has_drained(tmp_path):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    grace = {name: int(compose[name]["stop_grace_period"].rstrip("s")) for name in UNITS}
    systemd = {name: int(unit(file)["TimeoutStopSec"]) for name, file in UNITS.items()}
    pm2 = {app["name"].removeprefix("toril-"): app["kill_timeout"] / 1_000 for app in ecosystem()["apps"]}
    pods = {
        one["metadata"]["name"].removeprefix("ops-").removesuffix("s"): one["spec"]["template"]["spec"]
        for one in rendered(tmp_path, {"own": OWN})["own"]
        if one["kind"] == "Deployment"
    }
    chart = {name: pod["terminationGracePeriodSeconds"] for name, pod in pods.items()}
    for waits in (grace, systemd, pm2, chart):
        assert waits["worker"] >= DRAIN_S + 10
        assert waits["web"] > draining.MOST_S
        assert waits["mirror"] >= 10


def test_systemd_verifies_the_units_and_finds_little_that_they_could_break(tmp_path):
    program = shutil.which("systemd-analyze") or services.missing("Debian's package systemd is not installed")
    for file in (ROOT / "deploy" / "systemd").iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("/srv/toril/.venv/bin/python", "/bin/true"))
    names = ["toril.target", *(name.replace("@", "@8001") for name in UNITS.values())]
    done = subprocess.run([program, "verify", *(f"./{name}" for name in names)], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    for name in UNITS.values():
        command = [program, "security", "--offline=true", "--threshold=20", "--no-pager", f"./{name}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stdout.decode()[-2_000:]


def test_the_units_differ_in_what_they_start_alone():
    shared = [{key: value for key, value in unit(name).items() if "=" not in key} for name in UNITS.values()]
    differing = {
        "Description",
        "ExecStart",
        "ExecReload",
        "TimeoutStopSec",
        "KillMode",
        "SuccessExitStatus",
        "LimitNOFILE",
    }
    first, *rest = ({key: value for key, value in one.items() if key not in differing} for one in shared)
    assert all(one == first for one in rest)


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "mail"), ("info", "nobody")])
def test_alertmanager_takes_its_file_and_tells_each_severity_to_its_own(severity, receiver):
    file = str(DEPLOY / "prometheus" / "alertmanager.yml")
    assert amtool("check-config", file).count("SUCCESS") == 1
    assert {rule["labels"]["severity"] for rule in rules()} == {"critical", "warning", "info"}
    told = amtool("config", "routes", "test", f"--config.file={file}", f"severity={severity}", "alertname=X")
    assert told.split() == [receiver]


def test_alertmanager_is_told_of_alerts_that_there_are():
    names = {rule["alert"] for rule in rules()}
    told = yaml.safe_load((DEPLOY / "prometheus" / "alertmanager.yml").read_text())
    for rule in told["inhibit_rules"]:
        (source,) = rule["source_matchers"]
        assert source.split('"')[1] in names
        targets = [re.compile(one.split('"')[1]) for one in rule["target_matchers"] if "=~" in one]
        assert all(any(target.fullmatch(name) for name in names) for target in targets)


def amtool(*arguments: str) -> str:
    program = shutil.which("amtool") or services.missing("Debian's package prometheus-alertmanager is not installed")
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout
