"""The shape of the house: small modules that say what they are for, tables that match their migrations."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.management import call_command

from queues.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    path
    for room in ("queues", "dashboard", "bin/house")
    for path in (ROOT / room).rglob("*.py")
    if "migrations" not in path.parts
)
#: Longest module and function; those beyond need a reason here.
LINES, FUNCTION_LINES = 350, 50


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def trees() -> dict[str, ast.Module]:
    return {relative(module): ast.parse(module.read_text()) for module in MODULES}


def test_a_module_says_what_it_is_for():
    silent = [module for module, tree in trees().items() if tree.body and not ast.get_docstring(tree)]
    assert silent == [], "its first line is no docstring"


def test_modules_and_functions_are_short():
    sizes = {relative(module): len(module.read_text().splitlines()) for module in MODULES}
    assert {module: lines for module, lines in sizes.items() if lines > LINES} == {}
    long = [
        (module, node.name)
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    ]
    assert long == []


def test_no_module_has_a_name_that_says_nothing():
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base"}
    assert [relative(module) for module in MODULES if module.stem in empty] == []


@pytest.mark.django_db
def test_the_tables_match_their_migrations():
    call_command("makemigrations", "toril", "toril_dashboard", "toril_systems", check=True, dry_run=True, verbosity=0)


def test_workers_tell_the_version_of_the_package():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_a_worker_loads_no_web_server_and_nothing_that_only_programs_need():
    heavy = ("daphne", "twisted.internet.reactor", "autobahn", "channels.generic")
    heavy += ("ninja", "pydantic", "jwt", "httpx", "prometheus_client")
    code = (
        "import django, sys; django.setup(); import queues.management.commands.runworkers;"
        f" print([name for name in {heavy} if name in sys.modules])"
    )
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
