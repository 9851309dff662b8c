"""Prometheus's own tool, and what the files in deploy/ ask of `/metrics`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests import services

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "toril.rules.yml"
BOARD = DEPLOY / "grafana" / "toril.json"
#: What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$connection": ".*", "$queue": ".*"}


def promtool(*arguments: str, told: str = "") -> str:
    """What it says; where it is not installed the test is skipped, or fails in CI."""
    tool = shutil.which("promtool") or services.missing("Debian's package prometheus is not installed")
    done = subprocess.run([tool, *arguments], input=told, capture_output=True, text=True)
    return done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    yield from json.loads(BOARD.read_text())["panels"]


def board_expressions() -> list[str]:
    found = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    for name, value in VARIABLES.items():
        found = [each.replace(name, value) for each in found]
    return found


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in PromQL; labels and functions begin otherwise."""
    return set(re.findall(r"\b(?:bullmq|toril)_\w+", expression))
