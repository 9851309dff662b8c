"""The tests' database as its migrations left it, put back after each test that wrote what no transaction takes back.

Django empties every table instead and has the migrations' signals fill some again: half a second where this takes
milliseconds. Ids go on as they do there: none comes back in another test.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

PATIENCE_S = 20.0


def remembered() -> Callable[[], None]:
    """Remember all of it as it is now; what is returned puts it back. SQLite only."""
    kept = sqlite3.connect(":memory:", check_same_thread=False)
    _live().backup(kept)

    def put_back() -> None:
        live = _live()
        used = live.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        kept.backup(live, progress=_deadline())
        live.execute("BEGIN IMMEDIATE")
        live.execute("DELETE FROM sqlite_sequence")
        live.executemany("INSERT INTO sqlite_sequence VALUES (?, ?)", used)
        live.execute("COMMIT")

    return put_back


def _live() -> sqlite3.Connection:
    connection.ensure_connection()
    live: Any = connection.connection
    return live


def _deadline() -> Callable[[int, int, int], None]:
    """Who still holds the database when a test is over would be waited for without end."""
    until = time.monotonic() + PATIENCE_S

    def look(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > until:
            raise TimeoutError("somebody still holds the database")

    return look
