"""Indexes that a migration adds while the table is in use, and that can be added again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

_TIME_LIMITS: Final = ["lock_timeout", "statement_timeout", "transaction_timeout"]


class RepeatableAddIndexConcurrently(AddIndexConcurrently):
    """Adds the index however long it takes, and can be run again after it broke off.

    PostgreSQL waits for each transaction that is open, a backup's too; when the wait is cut short it
    leaves an index behind that is invalid and has the name. That one is dropped first, and a valid
    one is left as it is. It must be the only operation of its migration, which is not atomic.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Add the index, unless it is there and valid."""
        with _no_time_limits(schema_editor.connection):
            is_valid = self._find_validity(schema_editor)
            if is_valid is False:
                super().database_backwards(app_label, schema_editor, to_state, from_state)
            if not is_valid:
                super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index if it is there; that waits for open transactions too."""
        with _no_time_limits(schema_editor.connection):
            super().database_backwards(app_label, schema_editor, from_state, to_state)

    def _find_validity(self, schema_editor: BaseDatabaseSchemaEditor) -> bool | None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)",
                [schema_editor.quote_name(self.index.name)],
            )
            row = cursor.fetchone()
        return row[0] if row else None


@contextmanager
def _no_time_limits(connection: BaseDatabaseWrapper) -> Iterator[None]:
    with connection.cursor() as cursor:
        # Not every PostgreSQL has each of them.
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [_TIME_LIMITS])
        before: dict[str, Any] = dict(cursor.fetchall())
    _set(connection, dict.fromkeys(before, "0"))
    try:
        yield
    finally:
        _set(connection, before)


def _set(connection: BaseDatabaseWrapper, values: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
