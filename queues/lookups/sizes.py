"""What tables take up, indexes included, as the database itself tells it."""

from __future__ import annotations

from django.db import connection


def table_bytes(*tables: str) -> int:
    """Of these tables together. Synchronous. SQLite reads all of them for it: not for pages."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT SUM(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) AS t", [list(tables)]
            )
        else:
            marks = ", ".join(["%s"] * len(tables))
            cursor.execute(
                "SELECT SUM(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN"  # noqa: S608
                f" (SELECT name FROM sqlite_schema WHERE tbl_name IN ({marks}))",
                list(tables),
            )
        return int(cursor.fetchone()[0] or 0)
