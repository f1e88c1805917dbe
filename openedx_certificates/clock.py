"""What time it is: the database says so, since it is the one clock that all processes share.

A moment that is stored, or that a stored one is compared with, is the database's `now()`: of the
statement itself (`Now()`, `statement_timestamp()`), or read by `database_now`. A process's own clock
measures how long something takes, and nothing else. An hour off, it would make a request due an hour
late, end another process's lease, or date a certificate into the future.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now


def database_now() -> datetime:
    """Return the moment by the database's clock.

    One statement: read it once for a run, a page or a command, and not on an event's way.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return now


def has_come(field: str, *, within: timedelta) -> Q:
    """Return which rows' time has come, or can't be what it says.

    Args:
        field: the moment that is waited for.
        within: no wait is longer. A moment further away was written while a clock was wrong, so
            nothing is known of it, and nothing waits for it.
    """
    return Q(**{f"{field}__lte": Now()}) | Q(**{f"{field}__gt": Now() + within})


def is_to_come(moment: datetime | None, now: datetime, *, within: timedelta) -> bool:
    """Return of a row in hand whether its time is still to come; see `has_come`."""
    return moment is not None and now < moment <= now + within
