"""Rows of jobs written many at a time, past the ORM: it costs ten times what the database does.

A row here is a tuple of `COLUMNS`, its values as the database takes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import Field

from queues.mirror.incarnations import COMPARED
from queues.models import Job

KEY = ("connection", "queue", "job_id", "timestamp_ms")
COLUMNS = ("connection", "queue", "job_id", *COMPARED, "synced_at", "change")
Row = tuple[Any, ...]

_TIMES = (COLUMNS.index("removed_at"), COLUMNS.index("synced_at"))
_values = attrgetter(*COLUMNS)
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def write(rows: Sequence[Row]) -> None:
    """Insert, or bring in step what has the same key. Raises what the database raises for a value it refuses."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # One parameter: arrays or a parameter per value cost three times as much to send.
            cursor.execute(_from_json(), [_encode([dict(zip(COLUMNS, row, strict=True)) for row in rows])])
        else:
            cursor.executemany(_from_values(), rows)


def moment(when: datetime | None) -> Any:
    """As a row holds it."""
    if when is None or connection.vendor == "postgresql":
        return when.isoformat() if when else None
    return connection.ops.adapt_datetimefield_value(when)


def row(job: Job) -> Row:
    values = list(_values(job))
    for at in _TIMES:
        values[at] = moment(values[at])
    return tuple(values)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(connection.ops.quote_name, names))


def _fields() -> dict[str, Field[Any, Any]]:
    return {field.attname: field for field in Job._meta.concrete_fields if not field.primary_key}


def _others() -> dict[str, str]:
    """Columns that somebody else fills and that may not be left empty, with what stands there at first."""
    needed = {name: f for name, f in _fields().items() if name not in COLUMNS and not f.null}
    return {name: "0" if field.get_default() == 0 else "''" for name, field in needed.items()}


def _statement(selection: str) -> str:
    names = _quoted([*COLUMNS, *_others()])
    news = ", ".join(f"{_quoted([name])} = excluded.{_quoted([name])}" for name in COLUMNS if name not in KEY)
    table = _quoted([Job._meta.db_table])
    return f"INSERT INTO {table} ({names}) {selection} ON CONFLICT ({_quoted(KEY)}) DO UPDATE SET {news}"


@cache
def _from_values() -> str:
    return _statement(f"VALUES ({', '.join([*['%s'] * len(COLUMNS), *_others().values()])})")


@cache
def _from_json() -> str:
    fields = _fields()
    types = ", ".join(f"{_quoted([name])} {fields[name].db_type(connection)}" for name in COLUMNS)
    wanted = ", ".join([_quoted(COLUMNS), *_others().values()])
    return _statement(f"SELECT {wanted} FROM json_to_recordset(%s::json) AS told({types})")  # noqa: S608
