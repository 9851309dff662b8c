"""deploy/redis.conf: a real server starts with it, keeps what it is told, and refuses what is too much."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import redis

from queues.protocol.embedded import server_command
from tests.conftest import free_port
from tests.eventually import eventually_sync
from tests.stand import ROOT

pytestmark = pytest.mark.acceptance
SAID = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "3600 1 300 100 60 10000",
    "maxmemory": str(1024**3),
    "maxmemory-policy": "noeviction",
    "replica-read-only": "yes",
}


def start(folder: Path, port: int, *arguments: str) -> subprocess.Popen[bytes]:
    command = [*server_command(), str(ROOT / "deploy" / "redis.conf"), "--port", str(port), "--dir", str(folder)]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_it_keeps_what_was_written_through_a_kill_drops_nothing_when_full_and_feeds_a_replica(tmp_path: Path) -> None:
    port, replica_port, replicas = free_port(), free_port(), tmp_path / "replica"
    replicas.mkdir()
    servers = [start(tmp_path, port)]
    try:
        with redis.Redis(port=port) as client, redis.Redis(port=replica_port) as replica:
            eventually_sync(lambda: answers(client), 30)
            assert {name: client.config_get(name)[name] for name in SAID} == SAID
            client.set("bull:chat:1", "kept")
            eventually_sync(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0, 30)
            servers[0].kill()
            servers[0].wait()
            servers[0] = start(tmp_path, port)
            eventually_sync(lambda: answers(client), 30)
            assert client.get("bull:chat:1") == b"kept"
            client.config_set("repl-diskless-sync-delay", 0)
            servers.append(start(replicas, replica_port, "--replicaof", f"127.0.0.1 {port}"))
            eventually_sync(lambda: answers(replica) and replica.get("bull:chat:1") == b"kept", 60)
            client.config_set("maxmemory", 1)
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                client.set("bull:chat:2", "too much")
            assert client.get("bull:chat:1") == b"kept"
    finally:
        for server in servers:
            server.kill()
            server.wait()
