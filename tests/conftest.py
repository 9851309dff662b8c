"""Fixtures every tier shares: a real Valkey per test process, a fresh key prefix per test."""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

import pytest
import redis
from hypothesis import HealthCheck, settings

from house.again import LISTED_IN
from queues.options import reset_options
from tests import services
from tests.eventually import Stopwatch

if TYPE_CHECKING:
    from tests.working import Sight

#: Toril's own fixtures, as a project would load them.
pytest_plugins = ["queues.testing"]
REQUIRED_BY_MARKER = {"browser": services.require_browser, "node": services.require_node}
SAID_CHARACTERS = 600
CLUSTER_TAG = "{tests}"
# A machine that is slow, or does something else just now, has found no fault.
settings.register_profile("toril", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("toril")
#: About how many seconds a kilobyte of a folder's tests takes, of those that mostly wait and those that mostly compute.
WAITING = {"acceptance": 8.0, "faults": 8.0, "integration": 1.5}
COMPUTING = {"browser": 5.0, "interop": 2.0, "web": 0.7}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, require in REQUIRED_BY_MARKER.items():
        if item.get_closest_marker(marker):
            require()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Waiting and computing files side by side all the way, the longest of each first: no core idles, early or late."""
    files = {item.path: item.path.stat().st_size for item in items}
    places: dict[Path, float] = {}
    for is_waiting, rooms in ((True, WAITING), (False, COMPUTING)):
        sizes = {path: size for path, size in files.items() if (path.parent.name in WAITING) is is_waiting}
        lasts = {path: rooms.get(path.parent.name, 0.2) * size for path, size in sizes.items()}
        done = 0.0
        for path in sorted(lasts, key=lasts.__getitem__, reverse=True):
            places[path] = done / sum(lasts.values())
            done += lasts[path]
    items.sort(key=lambda item: places[item.path])


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

    def __init__(self, folder: Path, *arguments: str, command: Sequence[str] = ()) -> None:
        self.folder, self.port, self.arguments, self.command = folder, free_port(), arguments, command
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
                *(self.command or server_command()),
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
        deadline = time.monotonic() + 60
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
            self.process.wait(60)
            self.process = None

    def kill(self) -> None:
        """As a machine that loses its power, but for what the kernel still writes."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for this test process; shared, so never flush it. With TEST_REDIS_CLUSTER a whole Cluster, of which
    every test's prefix lies on one server.
    """
    folder = tmp_path_factory.mktemp("redis")
    if os.environ.get("TEST_REDIS_CLUSTER"):
        from tests.clusters import serving

        with serving(folder, CLUSTER_TAG) as cluster:
            yield cast(RedisServer, cluster)
        return
    server = RedisServer(folder)
    yield server
    server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for this test alone, to be stopped, started and starved."""
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def watch() -> Stopwatch:
    """Since this test's start: how long, and how slow the machine is meanwhile."""
    return Stopwatch()


@pytest.fixture
def prefix() -> str:
    tag = CLUSTER_TAG if os.environ.get("TEST_REDIS_CLUSTER") else ""
    return f"{tag}t{uuid.uuid4().hex[:12]}"


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


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    from django.db import connection
    from django.test import TransactionTestCase

    from tests.database import remembered

    if connection.vendor != "sqlite":
        yield
        return
    with django_db_blocker.unblock():
        put_back = remembered()

    def end(case: TransactionTestCase) -> None:
        put_back()

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", end):
        yield


@pytest.fixture(autouse=True)
def _no_wires_left(request: pytest.FixtureRequest) -> None:
    """Each async test closes the wires of its own loop; others have none, and need no loop to be made for them."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("wires_closed")


@pytest.fixture
async def wires_closed() -> AsyncIterator[None]:
    yield
    from queues.protocol import connections

    await connections.close_wires()
    await _close_sessions()


async def _close_sessions() -> None:
    """PostgreSQL drops no database in which the thread of the async ORM has a session open."""
    from asgiref.sync import sync_to_async
    from django.db import connections

    if connections["default"].vendor == "postgresql":
        await sync_to_async(connections.close_all)()
