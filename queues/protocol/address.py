"""Where a Redis server is and how to enter: redis-py reads the URL, the wire opens the socket."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from redis.connection import parse_url

from queues.errors import ConfigurationError
from queues.options import ConnectionOptions


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to enter: redis-py reads the URL, we open the socket."""

    host: str = ""
    port: int = 6379
    path: str = ""
    username: str = ""
    password: str = ""
    db: int = 0
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, options: ConnectionOptions) -> Address:
        """Raises ConfigurationError for a URL that redis-py cannot read."""
        try:
            parts: dict[str, Any] = dict(parse_url(options.url))  # type: ignore[no-untyped-call]
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"The URL of connection “{options.name}” cannot be read: {error}.") from None
        return cls(
            host=parts.get("host", "localhost"),
            port=parts.get("port", 6379),
            path=parts.get("path", ""),
            username=parts.get("username") or "",
            password=parts.get("password") or "",
            db=parts.get("db") or 0,
            tls=_tls(parts) if options.url.startswith("rediss://") else None,
        )

    def login(self) -> list[tuple[str, ...]]:
        """The commands that every fresh connection begins with."""
        commands: list[tuple[str, ...]] = []
        if self.password:
            commands.append(("AUTH", self.username or "default", self.password))
        if self.db:
            commands.append(("SELECT", str(self.db)))
        return commands


def _tls(parts: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=parts.get("ssl_ca_certs"))
    if parts.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := parts.get("ssl_certfile"):
        context.load_cert_chain(certificate, parts.get("ssl_keyfile"))
    return context
