"""What to do when the database says no."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import Error as DatabaseFailure
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from openedx_certificates.sqlstates import AWAY

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

SHORT_PATIENCE_MILLISECONDS = 300


def repeat_on_conflict(act: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run the act once more if a simultaneous one inserted its row between look and insert.

    The second time the row is there to see. If the values themselves are refused, the same
    IntegrityError comes again. The act must be a transaction of its own.
    """

    @wraps(act)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return act(*args, **kwargs)
        except IntegrityError:
            return act(*args, **kwargs)

    return run


def is_database_away(error: DatabaseFailure) -> bool:
    """Return whether the server can't be reached or takes no writes: no other row would fare better.

    A deadlock or a lock that took too long is an OperationalError too, and is this row's affair.
    """
    state = _cause(error, "sqlstate")
    return isinstance(error, InterfaceError) or state is None or state.startswith(AWAY)


def is_no_fault_of_ours(error: DatabaseFailure) -> bool:
    """Return whether the database's state explains the error: it is away, read-only, or locked."""
    state = _cause(error, "sqlstate") or ""
    return isinstance(error, OperationalError | InterfaceError) or state.startswith(AWAY)


def reconnect_if_closed() -> None:
    """Have the next statement go over a new connection if the server has closed this one.

    Django looks after that between requests only, and Celery between a worker's tasks: code that goes on
    after an error must do so too. A caller's transaction is left alone; it is lost anyway.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def use_short_lock_timeout() -> None:
    """Wait for a lock no longer than a moment, until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {SHORT_PATIENCE_MILLISECONDS}")


def describe_failure(error: DatabaseFailure) -> dict[str, str | None]:
    """Return what of the error may be logged: never its text, which can hold values of the row."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return {
        "error": type(error).__name__,
        "sqlstate": _cause(error, "sqlstate"),
        "table": getattr(diagnosis, "table_name", None),
        "constraint": getattr(diagnosis, "constraint_name", None),
    }


def _cause(error: DatabaseFailure, name: str) -> str | None:
    return getattr(error.__cause__, name, None)
