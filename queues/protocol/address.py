"""Where a Redis server is and how to enter: redis-py reads the URL, the wire opens the socket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from redis.connection import parse_url

from queues.errors import ConfigurationError
from queues.options import ConnectionOptions
from queues.protocol.tls import Tls

SENTINEL_PORT = 26_379


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to enter. With `through`, which of several it is gets asked at each dial (topology)."""

    host: str = ""
    port: int = 6379
    path: str = ""
    username: str = ""
    password: str = ""
    db: int = 0
    tls: Tls | None = None
    #: Sentinel named it: a replica that is met there is no answer.
    must_be_primary: bool = False
    through: ConnectionOptions | None = None

    @classmethod
    def of(cls, options: ConnectionOptions) -> Address:
        """Raises ConfigurationError for a URL that redis-py cannot read, or TLS files that cannot be used."""
        first = seeds(options)[0]
        if first.tls is not None:
            first.tls.context()
        is_one = options.topology in ("", "single") and len(options.hosts) == 1
        return first if is_one else replace(first, through=options)

    def at(self, host: str, port: int) -> Address:
        """Another server of the same house: entered with the same name, password and TLS."""
        return replace(self, host=host, port=port, path="", through=None)

    def login(self) -> list[tuple[str, ...]]:
        """The commands that every fresh connection begins with."""
        commands: list[tuple[str, ...]] = []
        if self.password:
            commands.append(("AUTH", self.username or "default", self.password))
        if self.db:
            commands.append(("SELECT", str(self.db)))
        return commands


def seeds(options: ConnectionOptions) -> list[Address]:
    """The servers that the URL names, as if each were the only one: Sentinels, or some nodes of a Cluster."""
    if len(options.hosts) == 1:
        return [_one(options, options.url)]
    whole = urlsplit(options.url)
    login, at, _ = whole.netloc.rpartition("@")
    return [_one(options, whole._replace(netloc=f"{login}{at}{host}").geturl()) for host in options.hosts]


def sentinels(options: ConnectionOptions) -> list[Address]:
    """The same as Sentinels: with a name, password and TLS of their own, and without a database."""
    default = SENTINEL_PORT if options.topology == "sentinel" else 6379
    return [
        replace(
            seed,
            port=seed.port if _has_port(host) else default,
            username=options.sentinel_username,
            password=options.sentinel_password,
            db=0,
            tls=_sentinel_tls(options, seed),
        )
        for host, seed in zip(options.hosts, seeds(options), strict=True)
    ]


def _has_port(host: str) -> bool:
    return host.rpartition("]")[2].count(":") == 1


def _sentinel_tls(options: ConnectionOptions, seed: Address) -> Tls | None:
    if options.sentinel_tls is None:
        return seed.tls
    return (seed.tls or Tls.of(options, {})) if options.sentinel_tls else None


def _one(options: ConnectionOptions, url: str) -> Address:
    try:
        parts: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"The URL of connection “{options.name}” cannot be read: {error}.") from None
    return Address(
        host=parts.get("host", "localhost"),
        port=parts.get("port", 6379),
        path=parts.get("path", ""),
        username=parts.get("username") or "",
        password=parts.get("password") or "",
        db=parts.get("db") or 0,
        tls=Tls.of(options, parts) if url.startswith("rediss://") else None,
    )
