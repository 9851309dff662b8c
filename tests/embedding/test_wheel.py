"""What `pip install` brings: all that is drawn and run, alike each time, with ranges that hold our pins."""

from __future__ import annotations

import hashlib
import re
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from queues.version import VERSION
from tests.embedding.hosts import ROOT, build_wheel

#: Without their distribution Toril starts nowhere, and with them nothing else is needed.
KINDS = {
    "templates": "dashboard/templates/toril",
    "static": "dashboard/static/toril",
    "queues/protocol/own": "queues/protocol/own",
    "queues/migrations": "queues/migrations",
    "dashboard/migrations": "dashboard/migrations",
    "dashboard/locale": "dashboard/locale",
}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_it_carries_what_is_drawn_and_run_and_is_alike_each_time(tmp_path: Path) -> None:
    wheels = [build_wheel(tmp_path / name) for name in ("one", "two")]
    assert len({hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}) == 1
    with zipfile.ZipFile(wheels[0]) as wheel:
        held = set(wheel.namelist())
    for source, place in KINDS.items():
        files = [file for file in (ROOT / source).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        assert {f"{place}/{file.relative_to(ROOT / source)}" for file in files} <= held, source
    assert {"queues/protocol/scripts.lock.json", "queues/py.typed"} & held
    roots = {name.partition("/")[0] for name in held}
    assert roots == {"queues", "dashboard", f"toril-{VERSION}.dist-info"}


def test_its_version_is_the_codes(project: dict) -> None:
    assert project["version"] == VERSION


def test_each_pinned_requirement_with_a_reason_lies_within_a_range(project: dict) -> None:
    extras = project["optional-dependencies"]
    asked = [Requirement(line) for line in (*project["dependencies"], *extras["site"], *extras["postgresql"])]
    ranges = {_plain(each.name): each.specifier for each in asked}
    above = (ROOT / "requirements.txt").read_text().partition("# ---- brought along")[0]
    pins = dict(re.findall(r"^([A-Za-z][\w.-]*)==([\w.]+)", above, re.MULTILINE))
    # Two of psycopg's parts are its extras.
    named = {_plain(name): pin for name, pin in pins.items() if not name.startswith("psycopg-")}
    assert named.keys() == ranges.keys()
    assert [name for name, pin in named.items() if pin not in ranges[name]] == []


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
