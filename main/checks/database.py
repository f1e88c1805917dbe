"""The database as the site's own connections find it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections

from main.database.connecting import connect
from main.database.session import relied_on
from openedx_certificates.waiting.patience import patience_of

# To connect, and then for the answers: a program starts without a database, too.
PATIENCE_SECONDS: Final = 2
_ENCODING: Final = "server_encoding"
_COMMIT: Final = "synchronous_commit"
_VALUES: Final = """
SELECT name, setting || coalesce(unit, '') FROM pg_settings WHERE name = ANY(%s)
"""
_ROLE: Final = """
SELECT format('ALTER ROLE %I IN DATABASE %I SET ', session_user, current_database())
"""
_MAKE_ANOTHER: Final = (
    "Make another, and move the data by pg_dump: "
    "CREATE DATABASE mitxonline_utf8 ENCODING 'UTF8' TEMPLATE template0 LOCALE 'C.UTF-8';"
)


def check_database(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - as Django calls it
    databases: Sequence[str] | None = None,
    **kwargs: Any,  # noqa: ARG001 - as Django calls it
) -> list[CheckMessage]:
    """Report what a connection lacks of all that is relied on; nothing if no database answers."""
    found: list[CheckMessage] = []
    for alias in databases or []:
        try:
            found += _look(alias)
        except psycopg.Error:
            # Away or silent: that is told by readiness, and to each caller.
            continue
    return found


@contextmanager
def connected_for_a_moment(alias: str) -> Iterator[Any]:
    """Lend the block a cursor, if the database answers within PATIENCE_SECONDS; raise psycopg.Error.

    Of a connection of its own: the caller's may be in a transaction, or would stay open for good.
    """
    parameters = connections[alias].get_connection_params()
    moment = {"connect_timeout": PATIENCE_SECONDS, "autocommit": True}
    with (
        patience_of(PATIENCE_SECONDS, bounds_statements=True),
        connect({**parameters, **moment}) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def _look(alias: str) -> list[CheckMessage]:
    wanted = relied_on(settings.DATABASE_LOCK_TIMEOUT)
    with connected_for_a_moment(alias) as cursor:
        actual = dict(cursor.execute(_VALUES, [[*wanted, _ENCODING, _COMMIT]]).fetchall())
        ((alter_role,),) = cursor.execute(_ROLE).fetchall()
        lowered = "éi"
        if actual[_ENCODING] == "UTF8":
            ((lowered,),) = cursor.execute("SELECT lower('ÉI')").fetchall()
    return [
        *_compare(actual, wanted, alter_role),
        *_look_at_text(actual[_ENCODING], lowered),
        *_look_at_commit(actual[_COMMIT], alter_role),
    ]


def _compare(
    actual: dict[str, str], wanted: dict[str, tuple[str, ...]], alter_role: str
) -> Iterator[CheckMessage]:
    for name, values in wanted.items():
        if actual[name] in values:
            continue
        text = f"{name} is {actual[name]!r} for the database, and {values[0]!r} was asked for."
        hint = (
            f"{alter_role}{name} = '{values[0]}'; Or is it set by DATABASE_URL? Connections that "
            "PgBouncer has already are to be closed, by RECONNECT: see docs/pgbouncer.md."
        )
        # Another time-out than ours is one, too.
        if name == "lock_timeout" and actual[name] != "0ms":
            yield CheckWarning(text, hint=hint, id="main.W009")
        else:
            yield Error(text, hint=hint, id="main.E018")


def _look_at_text(encoding: str, lowered: str) -> Iterator[CheckMessage]:
    if encoding != "UTF8":
        yield Error(
            f"The database's encoding is {encoding}: it can't hold each name and address.",
            hint=_MAKE_ANOTHER,
            id="main.E017",
        )
    if lowered != "éi":
        yield CheckWarning(
            f"lower('ÉI') is {lowered!r} in the database: addresses that differ in such a letter's "
            "case alone are not found to be the same.",
            hint=_MAKE_ANOTHER,
            id="main.W010",
        )


def _look_at_commit(commit: str, alter_role: str) -> Iterator[CheckMessage]:
    if commit == "off":
        yield CheckWarning(
            f"{_COMMIT} is 'off' for the database: events that were answered are lost when it "
            "crashes.",
            hint=f"{alter_role}{_COMMIT} = 'on';",
            id="main.W011",
        )
