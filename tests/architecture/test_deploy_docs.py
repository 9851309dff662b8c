"""docs/deploy.md against what it deploys: files, values, seconds, figures that add up."""

from __future__ import annotations

import re

import yaml

from dashboard import draining
from tests.architecture.test_shape import ROOT
from tests.deploy.chart import default_values

PAGE = (ROOT / "docs" / "deploy.md").read_text()
FLAT = " ".join(PAGE.split())


def test_each_folder_of_deploy_is_named_and_what_is_named_is_there():
    named = set(re.findall(r"`((?:deploy/[\w./-]+|Dockerfile|Procfile|docker-compose[\w.]*\.yml))`", PAGE))
    assert not {path for path in named if not (ROOT / path).exists()}
    folders = {path.name for path in (ROOT / "deploy").iterdir()}
    assert not {name for name in folders if f"deploy/{name}" not in PAGE}


def test_the_charts_values_are_there_with_their_defaults():
    values = default_values()
    table = PAGE.split("| value | default | |")[1].split("\n\n")[0]
    for path in re.findall(
        r"`([a-z][\w.]*)`", " ".join(line.split("|")[1] for line in table.splitlines() if "|" in line)
    ):
        held = values
        for part in path.split("."):
            assert part in held, path
            held = held[part]
    assert (values["web"]["replicas"], values["workers"]["replicas"], values["mirror"]["replicas"]) == (2, 2, 1)
    assert (values["workers"]["drainSeconds"], values["workers"]["graceSeconds"]) == (25, 40)


def test_its_seconds_and_ports_are_those_of_the_code():
    assert f"a web answers what it was asked, {draining.MOST_S:g} s at most" in FLAT
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert compose["web"]["ports"] == ["${PORT:-3000}:8000"]
    assert "http://localhost:3000/admin/queues" in PAGE


def test_the_table_of_memory_adds_up():
    table = PAGE.split("| jobs at once |")[1].split("\n\n")[0]
    rows = [[int(cell.replace(",", "")) for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert [row[0] for row in rows] == [50, 100, 500, 1_000]
    for _jobs, _idle, *parts, together in rows:
        assert abs(sum(parts) - together) <= 1
