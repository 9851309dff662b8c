"""Fixtures every tier shares: a real Valkey per test process, a fresh key prefix per test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from house.again import LISTED_IN
from queues.options import reset_options
from tests import services

if TYPE_CHECKING:
    from tests.working import Sight

#: Toril's own fixtures, as a project would load them.
pytest_plugins = ["queues.testing"]
REQUIRED_BY_MARKER = {"browser": services.require_browser, "node": services.require_node}
#: Folders whose files take longest are begun first, so that no long file runs alone at the end.
SAID_CHARACTERS = 600
LONGEST_FIRST = ("acceptance", "browser", "integration", "interop", "web")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, require in REQUIRED_BY_MARKER.items():
        if item.get_closest_marker(marker):
            require()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured, said by `record_property("figures", …)`; for bin/test, what failed and what it said."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {value}"
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name == "figures" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("figures")
        terminalreporter.write("\n".join(lines) + "\n")
    if LISTED_IN in os.environ:
        reports = [report for outcome in ("failed", "error") for report in terminalreporter.stats.get(outcome, [])]
        said = {report.nodeid: first_words(report.longreprtext) for report in reports}
        Path(os.environ[LISTED_IN]).write_text(json.dumps(said))


def first_words(traceback: str) -> str:
    """What was raised, as pytest marks it; without the way there."""
    return "\n".join(line for line in traceback.splitlines() if line.startswith("E  "))[:SAID_CHARACTERS] or traceback


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A real server on a port of its own that a test may stop and start again. What it is told last holds."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.port, self.arguments = folder, free_port(), arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_path(self) -> Path:
        return self.folder / "redis.sock"

    def start(self) -> None:
        if self.process is not None:
            return
        from queues.protocol.embedded import server_command

        self.process = subprocess.Popen(
            [
                *server_command(),
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(self.folder),
                "--save",
                "",
                "--appendonly",
                "no",
                "--unixsocket",
                str(self.socket_path),
                *self.arguments,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def kill(self) -> None:
        """As a machine that loses its power, but for what the kernel still writes."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for this test process; shared, so never flush it. TEST_REDIS_URL names another to use."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for this test alone, to be stopped, started and starved."""
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connection(redis_server: RedisServer, prefix: str, settings) -> Iterator[str]:
    """The name of a connection (`default`) whose Redis is real and whose prefix is this test's alone."""
    settings.TORIL = {
        **getattr(settings, "TORIL", {}),
        "CONNECTIONS": {"default": {"URL": redis_server.url, "PREFIX": prefix}},
    }
    reset_options()
    yield "default"
    reset_options()


@pytest.fixture
def client_of_redis(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A plain redis-py client, to look behind the scenes and to plant odd data."""
    with redis.Redis(port=redis_server.port) as client:
        yield client


@pytest.fixture
def sight(client_of_redis: redis.Redis, prefix: str) -> Sight:
    """What lies under this test's prefix."""
    from tests.working import Sight

    return Sight(client_of_redis, prefix)


@pytest.fixture(autouse=True)
async def _no_wires_left() -> AsyncIterator[None]:
    """Each async test closes the wires of its own loop."""
    yield
    from queues.protocol import connections

    await connections.close_wires()
