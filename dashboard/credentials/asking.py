"""Questions to the database on which every request waits: asked once more where its connections were cut."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError
from django.db import connection as database

P = ParamSpec("P")
T = TypeVar("T")


def once_more(ask: Callable[P, T]) -> Callable[P, T]:
    """For reading: PostgreSQL may have been restarted; what was connected to it is thrown away then."""

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return ask(*args, **kwargs)
        except OperationalError:
            pool = getattr(database, "pool", None)
            if pool is None:
                raise
            database.close()
            pool.check()
            return ask(*args, **kwargs)

    return asked
