"""A small blocking carrier for code without an event loop: one command, one answer, through redis-py's own pool.

For the producer's sync door alone; everything else goes over a Wire.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from queues.errors import RedisRefused, RedisUnavailable
from queues.options import ConnectionOptions, get_options
from queues.protocol.commands import Command
from queues.protocol.scripts import check_version

T = TypeVar("T")
#: Connecting and answering together stay below 2 s.
CONNECT_S = 0.9
ANSWER_S = 1.0


def call_blocking(connection: str, asked: Command[T]) -> T:
    """The command's value. Raises RedisUnavailable within 2 s, RedisRefused, or what `asked.read` raises."""
    client: Any = _client(get_options().connection(connection))
    try:
        try:
            reply = client.execute_command(*asked.args)
        except redis.exceptions.NoScriptError:
            reply = client.execute_command(*asked.as_eval())
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise RedisUnavailable(f"Redis cannot be reached: {error}") from None
    except (redis.exceptions.ReadOnlyError, redis.exceptions.TryAgainError) as error:
        raise RedisUnavailable(f"Redis is not ready: {error}") from None
    except redis.ResponseError as error:
        raise RedisRefused(f"Redis refused: {error}.") from None
    return asked.read(reply)


def close_blocking() -> None:
    """Close the idle connections of this process; the next call opens another."""
    for client in _opened:
        client.close()
    _opened.clear()
    _client.cache_clear()


_opened: list[redis.Redis] = []


@cache
def _client(options: ConnectionOptions) -> redis.Redis:
    check_version()
    client: Any = redis.Redis.from_url(
        options.url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S, retry=Retry(NoBackoff(), 0)
    )
    _opened.append(client)
    return client  # type: ignore[no-any-return]
