"""An index for a table that is written to all the time, made while that goes on: for migrations of later releases."""

from __future__ import annotations

from typing import Any

from django.db.migrations.operations import AddIndex


class AddIndexQuietly(AddIndex):
    """On PostgreSQL CONCURRENTLY: nobody who writes waits. Elsewhere as AddIndex.

    The migration must say `atomic = False` and do nothing else. One that broke off may be run again: what it left, an
    index that PostgreSQL does not use, is dropped first.
    """

    atomic = False

    def describe(self) -> str:
        return f"{super().describe()}, while it is written to"

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.vendor != "postgresql":
            schema_editor.add_index(model, self.index)
            return
        if schema_editor.connection.in_atomic_block:
            raise ValueError(f"A migration that adds {self.index.name} quietly must say atomic = False.")
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
        schema_editor.add_index(model, self.index, concurrently=True)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor == "postgresql" and self.allow_migrate_model(
            schema_editor.connection.alias, model
        ):
            schema_editor.remove_index(model, self.index, concurrently=True)
        else:
            super().database_backwards(app_label, schema_editor, from_state, to_state)
