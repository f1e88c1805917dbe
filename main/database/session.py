"""What each connection must have, whatever the defaults of the role or of the database are."""

from typing import Final

#: By PostgreSQL's name of each parameter, the values that will do; the first is the one asked for.
RELIED_ON: Final[dict[str, tuple[str, ...]]] = {
    # psycopg reads dates and intervals in no other style.
    "DateStyle": ("ISO, MDY", "ISO, DMY", "ISO, YMD"),
    "IntervalStyle": ("postgres",),
    # With 0 a stored grade is read rounded: each sweep would take it for changed, and audit that.
    "extra_float_digits": ("1", "2", "3"),
    # A stricter one refuses what two do at once (40001), and no transaction is tried again here.
    "default_transaction_isolation": ("read committed", "read uncommitted"),
    # A page of a sweep is written by arrays, in which NULL is a grade without a letter.
    "array_nulls": ("on",),
}


def relied_on(lock_timeout: float) -> dict[str, tuple[str, ...]]:
    """Return RELIED_ON with the lock time-out, which is given in seconds."""
    return {**RELIED_ON, "lock_timeout": (f"{int(1000 * lock_timeout)}ms",)}


def startup_options(lock_timeout: float) -> str:
    """Return what asks for all of it when a connection begins, for libpq's `options`."""
    wanted = {name: values[0] for name, values in relied_on(lock_timeout).items()}
    return " ".join(
        # libpq's word for a blank within a value.
        "-c {}={}".format(name, value.replace(" ", "\\ "))
        for name, value in wanted.items()
    )
