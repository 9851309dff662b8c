"""A fresh clone of this repository for `bin/up`, shared by the tests of one file; `runworkers` with a ledger."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from queues.protocol.blocking import close_blocking
from tests.acceptance.program import PYTHON, ROOT, Program, kill, plain_environment
from tests.acceptance.workers import Ledger, Process, processes_of
from tests.conftest import free_port
from tests.working import Sight

Up = Callable[..., Program]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The committed state, in a folder with a space in its name."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("There is no git repository to clone.")
    folder = tmp_path_factory.mktemp("fresh clone") / "toril"
    subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, folder], check=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def up(clone: Path, port: int) -> Iterator[Up]:
    """Start bin/up in the clone on a free port, in a plain environment with these variables; None leaves one out."""
    with ExitStack() as stack:

        def start(**variables: str | None) -> Program:
            wanted = {"PORT": str(port), **variables}
            environment = plain_environment(**{name: value for name, value in wanted.items() if value is not None})
            return stack.enter_context(Program([PYTHON, clone / "bin" / "up"], clone, environment))

        yield start


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def sight(client_of_redis, prefix) -> Sight:
    return Sight(client_of_redis, prefix, "work")


@pytest.fixture
def start(connection, redis_server, prefix, tmp_path, ledger) -> Iterator[Callable[..., Process]]:
    """Start a worker process, or a fleet; whatever is left of them is killed when the test ends."""
    started: list[Process] = []

    def run(*arguments: str, before: list[str] | None = None, **environ: str) -> Process:
        base = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "TORIL_"))}
        base |= {
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.worker_settings",
            "SECRET_KEY": "tests-only",
            "REDIS_URL": redis_server.url,
            "QUEUE_PREFIX": prefix,
            "LEDGER": str(ledger.path),
            "EXTRA_APPS": "tests.acceptance.workapp",
        }
        process = Process(base | environ, list(arguments), tmp_path / f"log{len(started)}", before or [])
        started.append(process)
        return process

    yield run
    for pid in [*(process.pid for process in started), *processes_of(ledger.path)]:
        kill(pid)
    for process in started:
        process.popen.wait(5)
    close_blocking()
