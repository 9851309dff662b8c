"""The one thread in which the mirror speaks to the database, and what it says when that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections

from queues.errors import TorilError

T = TypeVar("T")


class DatabaseUnavailable(TorilError):
    """The database did not answer, or refused for now (locked, deadlocked, restarting)."""

    code = "database_unavailable"
    status = 503


class DatabaseThread:
    """`call` runs a function where the database is spoken to, one at a time, in order. `close` may be called twice."""

    def __init__(self, name: str = "mirror-database") -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """Its value. Raises DatabaseUnavailable, or what the function raises.

        Cancelled, it leaves at once while the function runs to its end: a transaction is never cut in two.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, _answer, function, args)

    async def close(self) -> None:
        """Waits for what runs, then gives the connection back."""
        if not self._pool._shutdown:
            await asyncio.get_running_loop().run_in_executor(self._pool, connections.close_all)
            self._pool.shutdown()


def _answer(function: Callable[..., T], args: tuple[object, ...]) -> T:
    try:
        return function(*args)
    except (OperationalError, InterfaceError) as error:
        connections.close_all()
        said = str(error).strip().split("\n", 1)[0]
        raise DatabaseUnavailable(f"The database does not answer: {said}.") from error
