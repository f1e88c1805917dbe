"""The backend, as Django loads it: `ENGINE = "main.database"`."""

from types import TracebackType
from typing import Any

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base as postgresql
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property

from main.database.connecting import connect
from main.database.connection import Connection
from main.database.pool import Pool
from openedx_certificates.sqlstates import AWAY


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """Django's own, which lends its connections from a pool of ours."""

    # By alias, as Django keeps psycopg_pool's.
    _connection_pools: dict[str, Pool] = {}

    @property
    def pool(self) -> Pool | None:
        """The pool of all wrappers of this database in the process; None if none is asked for."""
        options = self.settings_dict["OPTIONS"].get("pool")
        # Django's own, too, has none while a database is made or dropped.
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pool = self._connection_pools.get(self.alias)
        # Of two threads that come first one has made the pool of all.
        return pool or self._connection_pools.setdefault(
            self.alias, Pool(self._connect, options["max_size"])
        )

    def _connect(self) -> Connection:
        # Django sets autocommit itself later; until then nothing may begin a transaction.
        connection = connect({**self.get_connection_params(), "autocommit": True})
        try:
            self._configure_connection(connection)  # type: ignore[attr-defined]  # not in the stubs
        except psycopg.Error:
            connection.close()
            raise
        return connection

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        """What turns psycopg's errors into Django's."""
        return _ErrorsOfALentConnection(self)


class _ErrorsOfALentConnection(DatabaseErrorWrapper):
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection: Any = self.wrapper.connection  # type: ignore[attr-defined]  # not in the stubs
        if (
            isinstance(error, psycopg.Error)
            and (error.sqlstate or "").startswith(AWAY)
            and isinstance(connection, Connection)
        ):
            connection.is_condemned = True
        super().__exit__(kind, error, traceback)
