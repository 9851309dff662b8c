"""BullMQ's own Lua scripts, taken from the installed `bullmq` package without importing it.

`scripts.lock.json` holds each script's key count and SHA-1: arities changed three times between 3.0 and 3.4, so another
version than the locked one is refused. `python -m queues.protocol.scripts` writes the lock anew, after a review.
Beside them stand the few of our own in `own/`, each with the reason for it at its head.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from queues.errors import ConfigurationError

LOCK = Path(__file__).with_name("scripts.lock.json")
OWN = Path(__file__).with_name("own")


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    source: str
    sha: str
    key_count: int


@cache
def script(name: str) -> Script:
    """The named script, e.g. `retryJob`. Raises ConfigurationError where it is not the one this code knows."""
    own = next(OWN.glob(f"{name}-*.lua"), None)
    if own is not None:
        return _read(own)
    locked = _lock()["scripts"].get(name)
    if locked is None:
        raise ConfigurationError(f"BullMQ's script {name} is not in {LOCK.name}.")
    found = _read(_folder() / f"{name}-{locked['keys']}.lua")
    if found.sha != locked["sha"]:
        raise ConfigurationError(
            f"BullMQ's script {name} is not the one Toril was written for: install bullmq=={_lock()['version']}."
        )
    return found


def all_scripts() -> int:
    """How many scripts there are, each read and compared. Raises ConfigurationError for one that is not as locked."""
    for name, locked in _lock()["scripts"].items():
        if script(name).key_count != locked["keys"]:
            raise ConfigurationError(f"BullMQ's script {name} takes {script(name).key_count} keys, not as locked.")
    return len(_lock()["scripts"])


@cache
def check_version() -> None:
    """Raises ConfigurationError unless the installed bullmq is the locked one; called at each start."""
    installed, wanted = importlib.metadata.version("bullmq"), _lock()["version"]
    if installed != wanted:
        raise ConfigurationError(f"bullmq {installed} is installed; Toril was written for bullmq=={wanted}.")


@cache
def _lock() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(LOCK.read_text())
    return parsed


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec("bullmq")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("The package bullmq is not installed; its Lua scripts are needed.")
    return Path(next(iter(spec.submodule_search_locations))) / "commands"


def _read(path: Path) -> Script:
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"The installed bullmq has no script {path.name}.") from None
    name, _, keys = path.stem.rpartition("-")
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest(), int(keys))


def lock_text() -> str:
    """What the lock file should hold for the installed package."""
    scripts = [_read(path) for path in sorted(_folder().glob("*.lua")) if not path.name.startswith("relay")]
    locked = {found.name: {"keys": found.key_count, "sha": found.sha} for found in scripts}
    return json.dumps({"version": importlib.metadata.version("bullmq"), "scripts": locked}, indent=1) + "\n"


if __name__ == "__main__":
    LOCK.write_text(lock_text())
