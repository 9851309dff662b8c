"""A blocking carrier for code without an event loop: what is written for a Wire runs on it as it stands.

For the producer's sync door alone; everything else goes over a Wire.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import cache
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.options import ConnectionOptions, get_options
from queues.protocol.commands import Command
from queues.protocol.scripts import check_version

T = TypeVar("T")
#: Connecting and answering together stay below 2 s.
CONNECT_S = 0.9
ANSWER_S = 1.0


def drive(awaitable: Awaitable[T]) -> T:
    """The value of a coroutine that waits for nothing but a BlockingWire. No event loop runs, none is made."""
    try:
        awaitable.__await__().send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise TorilError("This cannot be done without an event loop.")


class BlockingWire:
    """`call` and `run` as a Wire has them; they never suspend, they block. For any number of threads."""

    def __init__(self, connection: str) -> None:
        self._options = get_options().connection(connection)

    async def call(self, asked: Command[T], timeout_s: float | None = None) -> T:
        return _call(_client(self._options), asked)

    async def run(self, commands: Sequence[Command[Any]], return_errors: bool = False) -> list[Any]:
        results: list[Any] = []
        for asked in commands:
            try:
                results.append(await self.call(asked))
            except TorilError as error:
                results.append(error)
        for result in results:
            if isinstance(result, RedisUnavailable if return_errors else TorilError):
                raise result
        return results


def _call(client: Any, asked: Command[T]) -> T:
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
