"""Asks the advisory databases about what is pinned. What could not be asked is no clean bill: it says “not run”."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from house.virtualenv import ROOT, Virtualenv

#: One question, and all of them, in seconds.
TIMEOUT_S, ALL_S = 10, 90


class NotRun(Exception):
    """Nobody could be asked; str() says why."""


def known_vulnerabilities(virtualenv: Virtualenv, env: Mapping[str, str]) -> str:
    """One line for each in the packages of requirements.txt; empty: there are none. Raises NotRun."""
    program = [str(virtualenv.python), "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    pinned = ["--disable-pip", "--no-deps", "--timeout", str(TIMEOUT_S), "-r", "requirements.txt"]
    try:
        done = subprocess.run([*program, *pinned], cwd=ROOT, env=env, capture_output=True, text=True, timeout=ALL_S)
    except subprocess.TimeoutExpired:
        raise NotRun(f"no answer within {ALL_S} s") from None
    return verdict(done.stdout, done.stderr)


def verdict(told: str, complaint: str) -> str:
    """Of what pip-audit printed. It ends well, too, where it has left out every package: each must have an answer."""
    try:
        packages: list[dict[str, Any]] = json.loads(told)["dependencies"]
    except (ValueError, KeyError, TypeError):
        raise NotRun((complaint.strip().splitlines() or ["pip-audit said nothing"])[-1][:200]) from None
    found = [
        f"{each['name']} {each['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version yet'}"
        for each in packages
        for one in each.get("vulns", ())
    ]
    left_out = [each["name"] for each in packages if "vulns" not in each]
    if left_out and not found:
        raise NotRun(f"{len(left_out)} of {len(packages)} packages could not be asked about, {left_out[0]} first")
    if not packages:
        raise NotRun("there was nothing to ask about")
    return "\n".join(found + [f"{name} could not be asked about" for name in left_out])
