"""Inside a transaction a job is written when the transaction is committed, and never if it is rolled back.

"Inside" means: some database of this thread is in an atomic block; with `using`, that one. A test case's own block, in
which Django wraps each test, does not count: it stands for no transaction of the program's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from asgiref.sync import AsyncToSync, sync_to_async
from django.db import connections, transaction

from queues.producer.carrier import carrier

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Later(Generic[T]):
    """What the caller is given meanwhile, how it is written, and what it is called in the log."""

    handed_out: T
    write: Callable[[], Awaitable[object]]
    what: str


async def deferred(make: Callable[[], Later[T]], using: str | None) -> T | None:
    """Where a transaction of the caller's is open: what `make` hands out, which is written on commit. Else None."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _deferred(make, using)
    # A transaction belongs to a thread of plain code; is there one below that waits for this coroutine?
    if getattr(AsyncToSync.executors, "current", None) is None:
        return None
    return await _deferred_below(make, using)


async def _deferred_below(make: Callable[[], Later[T]], using: str | None) -> T | None:
    is_asked = False

    def ask() -> T | None:
        nonlocal is_asked
        is_asked = True
        return _deferred(make, using)

    try:
        return await sync_to_async(ask)()
    except RuntimeError:
        if is_asked:
            raise
        # This task outlived the plain code that started it: whatever was open there is closed.
        return None


def _deferred(make: Callable[[], Later[T]], using: str | None) -> T | None:
    alias = _open_transaction(using)
    if alias is None:
        return None
    later = make()
    _on_commit(later, alias, using)
    return later.handed_out


def _on_commit(later: Later[T], alias: str, using: str | None) -> None:
    def commit() -> None:
        # Another database's transaction may still be open: the last one to be committed decides.
        if (other := _open_transaction(using)) is not None:
            _on_commit(later, other, using)
            return
        try:
            carrier().run_sync(later.write)
        except BaseException:
            log.exception("The transaction was committed, but %s was not added.", later.what)
            raise

    transaction.on_commit(commit, using=alias)


def _open_transaction(using: str | None) -> str | None:
    asked = [connections[using]] if using is not None else connections.all(initialized_only=True)
    for connection in asked:
        if connection.in_atomic_block and not all(map(_is_testcase, connection.atomic_blocks)):
            return connection.alias
    return None


def _is_testcase(block: object) -> bool:
    return getattr(block, "_from_testcase", False)
