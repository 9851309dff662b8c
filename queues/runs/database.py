"""Django's connections between jobs: what broke or was left half done under one job is gone before the next."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.db.backends.signals import connection_created

log = logging.getLogger("queues.worker")


class _OfThread(threading.local):
    """Whether this thread has opened a connection that may still be open."""

    has_opened = False


_of_thread = _OfThread()


class _AsyncOrm:
    """Whether the threads of the async ORM ever opened a connection, and whether a look at them is on its way."""

    has_opened = False
    is_asked = False


def _opened(connection: Any, **_: Any) -> None:
    _of_thread.has_opened = True
    if _close_broken not in connection.execute_wrappers:
        connection.execute_wrappers.append(_close_broken)
    if not threading.current_thread().name.startswith("job thread"):
        _AsyncOrm.has_opened = True


def _close_broken(execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Mapping[str, Any]) -> Any:
    """Of a connection that died only the statement in flight fails: where async jobs share it, several wait behind."""
    try:
        return execute(sql, params, many, context)
    except (OperationalError, InterfaceError):
        connection = context["connection"]
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
        raise


connection_created.connect(_opened, dispatch_uid="toril.worker.database")


def refresh() -> None:
    """Before and after a job in a thread: as Django does around a request. Costs nothing where none is open."""
    if not _of_thread.has_opened:
        return
    _of_thread.has_opened = False
    try:
        _close_half_done()
        close_old_connections()
    except Exception:
        log.warning("A database connection could not be closed.", exc_info=True)
    finally:
        _of_thread.has_opened = any(
            connection.connection is not None for connection in connections.all(initialized_only=True)
        )


def _close_half_done() -> None:
    """A transaction that a job opened by hand and left: Django itself would keep it, and its connection, for ever."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            log.warning("A job left a transaction open on the database “%s”; it was rolled back.", connection.alias)
            connection.close()
            del connections[connection.alias]


def check_async() -> None:
    """After a failure on the loop: look for broken connections where the async ORM works.

    Its one thread does one thing after another, so nothing waits for the look: the next job's queries come behind it.
    """
    if not _AsyncOrm.has_opened or _AsyncOrm.is_asked:
        return
    _AsyncOrm.is_asked = True
    SyncToAsync.single_thread_executor.submit(_drop_broken)


def _drop_broken() -> None:
    """Healthy connections stay, for another job may be reading from one."""
    _AsyncOrm.is_asked = False
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred and not connection.in_atomic_block:
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                connection.close()
