"""A real Redis Cluster on loopback: three primaries with a replica each; slots can be moved, primaries lost."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

from queues.protocol.cluster import slotmap
from queues.protocol.embedded import server_command
from queues.protocol.slots import SLOTS, slot
from tests.eventually import eventually_sync

#: A loaded machine must not take a busy node for a lost one.
NODE_TIMEOUT_MS = 5_000
PRIMARIES, REPLICAS = 3, 3


def _free_ports(count: int) -> list[int]:
    """Each with its neighbour for the bus, 10,000 higher."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            probe, bus = (held.enter_context(socket.socket()) for _ in range(2))
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                bus.bind(("127.0.0.1", port - 10_000))
                found.append(port - 10_000)
    return found


class Node:
    """One server of a Cluster. `start` brings it back with what it last knew of the others."""

    def __init__(self, folder: Path, port: int, arguments: Sequence[str]) -> None:
        self.folder, self.port, self._arguments = folder, port, arguments
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.client = redis.Redis(port=port)

    @property
    def id(self) -> str:
        return str(self.client.execute_command("CLUSTER MYID").decode())

    def start(self) -> None:
        if self.process is None:
            told = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *self._arguments]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen([*server_command(), *told], stdout=log, stderr=log)
        eventually_sync(self._answers, 60, "the node answers")

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.client.ping())
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None

    def close(self) -> None:
        self.kill()
        self.client.close()


class Cluster:
    """`nodes`: the first three begin as primaries of a third of the slots each, the others as their replicas."""

    def __init__(self, folder: Path, *arguments: str, replicas: int = REPLICAS) -> None:
        told = [
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--save", ""),
            *("--appendonly", "no", "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
            *arguments,
        ]
        self.nodes = [
            Node(folder / str(port), port, ["--cluster-port", str(port + 10_000), *told])
            for port in _free_ports(PRIMARIES + replicas)
        ]
        try:
            self._make(replicas)
        except BaseException:
            self.close()
            raise

    def _make(self, replicas: int) -> None:
        for node in self.nodes:
            node.start()
        primaries = self.nodes[:PRIMARIES]
        share = SLOTS // PRIMARIES + 1
        for at, node in enumerate(primaries):
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", at * share, min(SLOTS, (at + 1) * share) - 1)
            node.client.execute_command("CLUSTER SET-CONFIG-EPOCH", at + 1)
        for node in self.nodes[1:]:
            node.client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        eventually_sync(lambda: all(self._sees(node) == len(self.nodes) for node in self.nodes), 60, "they have met")
        for at, node in enumerate(self.nodes[PRIMARIES:]):
            node.client.execute_command("CLUSTER REPLICATE", primaries[at % PRIMARIES].id)
        eventually_sync(self.is_whole, 60, "the Cluster is whole")

    def _sees(self, node: Node) -> int:
        told = str(node.client.execute_command("CLUSTER INFO"))
        known = node.client.execute_command("CLUSTER NODES")
        return sum(1 for row in known.values() if "handshake" not in row["flags"]) if "handshake" not in told else 0

    def is_whole(self) -> bool:
        """Every server that runs sees every slot served, and every replica follows."""
        running = [node for node in self.nodes if node.process is not None]
        infos = [node.client.info("replication") for node in running]
        states = [node.client.cluster("INFO") for node in running]
        return all(state["cluster_state"] == "ok" for state in states) and all(
            info["role"] == "master" or info["master_link_status"] == "up" for info in infos
        )

    @property
    def url(self) -> str:
        """Three of its servers, as a connection lists them."""
        return "redis://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:3])

    def owner(self, key: str | bytes) -> Node:
        """The primary that holds the slot of a key, as it says itself."""
        number = slot(key.encode() if isinstance(key, str) else key)
        for node in self.nodes:
            if node.process is not None and number in self._slots_of(node):
                return node
        raise AssertionError(f"nobody holds slot {number}")

    def _slots_of(self, node: Node) -> set[int]:
        rows = node.client.execute_command("CLUSTER NODES").values()
        (mine,) = [row for row in rows if "myself" in row["flags"]]
        if "master" not in mine["flags"]:
            return set()
        return {number for first, *last in mine["slots"] for number in range(int(first), int((last or [first])[0]) + 1)}

    def replica_of(self, primary: Node) -> Node:
        return next(
            node
            for node in self.nodes
            if node.process is not None and node.client.info("replication").get("master_port") == primary.port
        )

    def client(self) -> redis.RedisCluster:
        """To look behind the scenes."""
        return redis.RedisCluster(host="127.0.0.1", port=self.nodes[0].port)

    def move(self, number: int, to: Node, keys_at_once: int = 50) -> Iterator[int]:
        """Bring a slot and its keys elsewhere as `--cluster reshard` does; yields how many keys went."""
        source = next(node for node in self.nodes if node.process and number in self._slots_of(node))
        to.client.execute_command("CLUSTER SETSLOT", number, "IMPORTING", source.id)
        source.client.execute_command("CLUSTER SETSLOT", number, "MIGRATING", to.id)
        while keys := source.client.execute_command("CLUSTER GETKEYSINSLOT", number, keys_at_once):
            source.client.execute_command("MIGRATE", "127.0.0.1", to.port, "", 0, 60_000, "REPLACE", "KEYS", *keys)
            yield len(keys)
        for node in (to, source):
            node.client.execute_command("CLUSTER SETSLOT", number, "NODE", to.id)

    def close(self) -> None:
        for node in self.nodes:
            node.close()
        slotmap.forget()


class Served:
    """What `redis_server` is to tests, where a Cluster stands behind it; `port`: of the server that has their keys."""

    def __init__(self, cluster: Cluster, key: str) -> None:
        self.url, self.port, self.folder = cluster.url, cluster.owner(key).port, cluster.nodes[0].folder


@contextlib.contextmanager
def serving(folder: Path, key: str) -> Iterator[Served]:
    cluster = Cluster(folder, replicas=0)
    try:
        yield Served(cluster, key)
    finally:
        cluster.close()
