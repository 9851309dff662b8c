"""Two empty databases brought to today's tables, one along the chain of all migrations, one by the squashed; their
tables as JSON. A program of its own: `python -m tests.upgrading CHAIN SQUASHED`, each the NAME of a database.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django

#: As an installation stands that was upgraded last in the middle of the chain.
MIDWAY = [("toril", "0010_failures"), ("toril_dashboard", "0003_views")]


def main(chain: str, squashed: str) -> None:
    django.setup()
    told = []
    for name, midway in ((chain, MIDWAY), (squashed, [])):
        with at(name) as connection:
            applied = migrated(connection, midway)
            told.append({"applied": applied, "tables": tables(connection), "made": made(connection)})
            told[-1]["quiet"] = quiet(connection)
    print(json.dumps(told))  # noqa: T201


class at:  # noqa: N801
    """The default connection, pointed at another database."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Any:
        from django.db import connection

        connection.settings_dict["NAME"] = self.name
        return connection

    def __exit__(self, *_: object) -> None:
        from django.db import connection

        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


def migrated(connection: Any, midway: list[tuple[str, str]]) -> list[str]:
    """The names of Toril's migrations that are on record in the end."""
    from django.core.management import call_command
    from django.db.migrations.executor import MigrationExecutor
    from django.db.migrations.loader import MigrationLoader

    if midway:
        along = MigrationExecutor(connection)
        along.loader = MigrationLoader(connection, replace_migrations=False)
        along.migrate(midway)
    call_command("migrate", verbosity=0)
    call_command("migrate", check_unapplied=True, verbosity=0)
    return sorted(f"{app}.{name}" for app, name in MigrationLoader(connection).applied_migrations if "toril" in app)


def quiet(connection: Any) -> list[bool]:
    """Whether an index is there after it was added quietly, again though it was there, and after it was removed."""
    from django.db import models
    from django.db.migrations.loader import MigrationLoader

    from queues.models.quiet_index import AddIndexQuietly

    state = MigrationLoader(connection).project_state()
    added, operation = state.clone(), AddIndexQuietly("job", models.Index(fields=["state"], name="toril_quiet"))
    operation.state_forwards("toril", added)
    found = []
    ways = [(operation.database_forwards, state, added)] * (1 + (connection.vendor == "postgresql"))
    for way, before, after in [*ways, (operation.database_backwards, added, state)]:
        with connection.schema_editor(atomic=operation.atomic) as editor:
            way("toril", editor, before, after)
        with connection.cursor() as cursor:
            found.append("toril_quiet" in connection.introspection.get_constraints(cursor, "toril_job"))
    return found


def tables(connection: Any) -> dict[str, Any]:
    """Table → columns and constraints, without names that Django makes up."""
    introspection = connection.introspection
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for table in sorted(name for name in introspection.table_names(cursor) if name.startswith("toril")):
            columns = introspection.get_table_description(cursor, table)
            held = introspection.get_constraints(cursor, table)
            found[table] = {
                "columns": sorted([c.name, str(c.type_code), c.display_size, c.null_ok, c.default] for c in columns),
                "constraints": sorted(
                    json.dumps([name if name.startswith("toril_") and len(name) < 40 else "", one], default=str)
                    for name, one in held.items()
                ),
            }
    return found


#: What no introspection tells: virtual tables, triggers, what indexes are made of.
MADE = {
    "sqlite": "SELECT type, name, CASE WHEN type = 'trigger' THEN sql END FROM sqlite_master"
    " WHERE name LIKE 'toril_search%' ORDER BY 1, 2",
    "postgresql": "SELECT tablename, regexp_replace(indexdef, '_[0-9a-f]{8}(_[a-z]+)?', '', 'g') FROM pg_indexes"
    " WHERE tablename LIKE 'toril%' ORDER BY 1, 2",
}


def made(connection: Any) -> list[list[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(MADE[connection.vendor])
        return [list(row) for row in cursor.fetchall()]


if __name__ == "__main__":
    main(*sys.argv[1:])
