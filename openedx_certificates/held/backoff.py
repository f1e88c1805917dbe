"""When to ask Open edX again, as values: nothing here touches a database or waits."""

import random
from datetime import datetime, timedelta

from openedx_certificates.settings import app_settings
from openedx_certificates.wire.exceptions import NoEdxUsername, OpenEdxError, OpenEdxRefused

FIRST_DELAY = timedelta(seconds=5)
# A token that is refused and a username that is missing wait for a person.
FIRST_SLOW_DELAY = timedelta(minutes=10)
LONGEST_DELAY = timedelta(hours=1)
# Whatever Open edX asks for: below GIVE_UP_AFTER, so that nothing is given up for waiting alone.
LONGEST_RETRY_AFTER = timedelta(days=1)
# The contract, section 5: nothing is given up in the first three days because Open edX is down.
GIVE_UP_AFTER = timedelta(days=3)
FIRST_PROBE_DELAY = timedelta(seconds=10)
LONGEST_PROBE_DELAY = timedelta(minutes=5)
NEEDS_A_PERSON = (OpenEdxRefused, NoEdxUsername)


def delay_after_failure(error: OpenEdxError | None, failing_for: timedelta) -> timedelta:
    """Return how long to wait after a failure: as long again as it has been failing.

    That doubles from seconds to an hour. Less up to half of it by chance, so that requests which
    failed together don't come back together; never less than Open edX asked for.

    Args:
        error: what Open edX said; None if it was our own database that failed.
        failing_for: since the first of the failures in a row.
    """
    first = FIRST_SLOW_DELAY if isinstance(error, NEEDS_A_PERSON) else FIRST_DELAY
    longest = min(max(failing_for, first), LONGEST_DELAY)
    delay = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
    return max(delay, _asked_for(error))


def delay_after_not_passed(answers: int) -> timedelta | None:
    """Return how long to wait after Open edX said "not passed", None if it is the last word.

    Open edX sends the event inside the transaction of the grade: its first answers can be from
    before that transaction's end.

    Args:
        answers: how many of these answers there were, this one included.
    """
    delays = app_settings.NOT_PASSED_DELAYS
    return timedelta(seconds=delays[answers - 1]) if answers <= len(delays) else None


def longest_wait() -> timedelta:
    """Return how far away the next attempt at a request can be, and an hour for what is odd."""
    delays = [timedelta(seconds=each) for each in app_settings.NOT_PASSED_DELAYS]
    return max([LONGEST_RETRY_AFTER, *delays]) + LONGEST_DELAY


def is_time_to_give_up(
    now: datetime | None, failing_since: datetime | None, last_delivered_on: datetime
) -> bool:
    """Return whether a request has failed for so long that a person must look at it.

    Args:
        now: when it was taken up, by the database's clock; None if it never was.
        failing_since: when the first of the failures in a row was; None before that.
        last_delivered_on: when the last event of it came.
    """
    if now is None or failing_since is None:
        return False
    return now - max(failing_since, last_delivered_on) >= GIVE_UP_AFTER


def delay_until_probe(now: datetime, paused_since: datetime) -> timedelta:
    """Return how long to wait for the next probe: as long again as the pause has lasted.

    Five minutes at most. What Open edX asks for in Retry-After holds for the request that it
    answered, not for the probe (the contract, section 2): a maintenance page that asks for a day
    may be gone after a minute.
    """
    lasted = max(now - paused_since, FIRST_PROBE_DELAY)
    return min(lasted, LONGEST_PROBE_DELAY)


def _asked_for(error: OpenEdxError | None) -> timedelta:
    """Return the wait that Open edX asked for."""
    if error is None or error.retry_after is None:
        return timedelta(0)
    return min(timedelta(seconds=min(error.retry_after, 10**9)), LONGEST_RETRY_AFTER)
