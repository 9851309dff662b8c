"""What somebody waits for themselves does not wait for SQLite's one writer as long as what nobody looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection as database

#: Signing in writes a session, and a wrong password is counted: neither can be left out. A mirror is done within
#: milliseconds; where SQLite is held for longer, whoever holds it may never let go, and that is said.
WRITE_MS = 2_000


@contextmanager
def waiting_at_most(ms: int = 0) -> Iterator[None]:
    """Each write within waits so long for its turn (0: WRITE_MS), then raises OperationalError. Synchronous; holds for
    this thread's connection alone.
    """
    if database.vendor != "sqlite":
        yield
        return
    with database.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (before,) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {min(ms or WRITE_MS, before)}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")
