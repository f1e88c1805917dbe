"""Makes other processes stand still at one place of their path, by a lock of PostgreSQL; for tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

from tools.processes import wait_until


class TableLock:
    """A table that is locked; a transaction that wants it waits."""

    def __init__(self, holder: psycopg.Connection, table: str) -> None:
        self._holder = holder
        self._table = table

    def wait_for(self, count: int) -> None:
        """Return once so many wait for the table."""
        wait_until(
            lambda: len(self._find_waiting()) >= count,
            lambda: f"{len(self._find_waiting())} of {count} wait for {self._table}.",
        )

    def end_orphans(self) -> None:
        """Take back what was asked for by processes that were killed while they waited.

        PostgreSQL works on for them, until it has something to tell them.
        """
        orphans = self._find_waiting()
        for orphan in orphans:
            _ask("SELECT pg_terminate_backend(%s)", orphan)
        _wait_for_the_end_of(orphans)

    def let_orphans_go_on(self) -> None:
        """Unlock the table; what was asked for by killed processes is done as far as it came."""
        orphans = self._find_waiting()
        self._holder.rollback()
        _wait_for_the_end_of(orphans)

    def _find_waiting(self) -> list[int]:
        return _ask(
            "SELECT pid FROM pg_locks WHERE relation = %s::regclass AND NOT granted", self._table
        )


@contextmanager
def locked(table: str, *, for_readers: bool = False) -> Iterator[TableLock]:
    """Let no transaction write to the table for the block, nor read it if it is for readers.

    A transaction that still waits at the end of the block goes on.
    """
    database = connection.settings_dict
    mode = "ACCESS EXCLUSIVE" if for_readers else "SHARE"
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=database["NAME"],
    ) as holder:
        holder.execute(f"LOCK TABLE {table} IN {mode} MODE")
        yield TableLock(holder, table)


def _wait_for_the_end_of(backends: list[int]) -> None:
    wait_until(lambda: not _ask("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", backends))


def _ask(query: str, parameter: str | int | list[int]) -> list[int]:
    # Not the holder's connection: what it sees of other backends stays the same in a transaction.
    with connection.cursor() as cursor:
        cursor.execute(query, [parameter])
        return [value for (value,) in cursor]
