"""A command started as a person would start it: its lines as they come, its signals, and who is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.eventually import Stopwatch, eventually_sync

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
# A fresh machine has no virtualenv around it.
PYTHON = getattr(sys, "_base_executable", sys.executable)


def plain_environment(**more: str) -> dict[str, str]:
    """The machine's environment without anything that would steer Toril or Django."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PIP_")}
    path = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if ".venv" not in part]
    # What is imported is compiled then; all of what pip installs takes long.
    return {**kept, "PATH": os.pathsep.join(path), "PIP_NO_COMPILE": "1", **more}


class Program:
    """Use as a context: what is left at the end is killed, so that a failing test leaves nothing behind."""

    def __init__(
        self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.lines, self.watch = folder, list[str](), Stopwatch()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=plain_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in [self.pid, *processes_in(self.folder)]:
            kill(pid)
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def has_said(self, text: str, timeout_s: float = 10.0) -> str:
        """Wait until a line holds `text`; that line. Fails at once where the program has ended without it."""

        def found() -> str:
            over = self._process.poll() is not None and not self._reader.is_alive()
            line = next((line for line in list(self.lines) if text in line), "")
            assert line or not over, f"it ended without saying “{text}”:\n{self.text}"
            return line

        return str(eventually_sync(found, timeout_s, f"“{text}” said; so far:\n{self.text}"))

    def signal(self, number: int = signal.SIGINT) -> None:
        os.kill(self.pid, number)

    def exit_code(self, timeout_s: float = 90.0) -> int:
        """Wait for its end; its exit code."""
        code = self._process.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))


def processes_in(folder: Path) -> dict[int, str]:
    """Every process whose working directory is in `folder`, with its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            where = Path(os.readlink(entry / "cwd"))
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if where.is_relative_to(folder.resolve()) and state != "Z":
            found[int(entry.name)] = command
    return found


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
