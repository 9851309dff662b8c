"""The services that some tests drive. Where one is missing, a laptop skips its tests; CI fails them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

INTEROP = Path(__file__).parent / "interop"
NODE_MAJOR = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def require_browser() -> str:
    """The path of the system's Chromium; none: skip, or fail in CI."""
    return _find_browser() or missing("Chromium is not installed")


def require_node() -> str:
    """The path of a Node that has this project's npm packages; none: skip, or fail in CI."""
    if not (INTEROP / "node_modules" / "bullmq").is_dir():
        return missing("npm's BullMQ is not in tests/interop/node_modules")
    return _find_node() or missing(f"Node {NODE_MAJOR} or newer is not on the PATH")


@cache
def _find_browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@cache
def _find_node() -> str | None:
    node = shutil.which("node")
    if node is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)\.", answer)
    return node if found and int(found[1]) >= NODE_MAJOR else None


def missing(what: str) -> NoReturn:
    """Skip on a laptop, fail in CI, with the sentence."""
    sentence = f"{what}; bin/test installs it where it can."
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
