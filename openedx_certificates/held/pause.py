"""The shared pause: while Open edX is down, one question at a time finds out whether it is up.

The state is one row, so that every web server and worker knows it.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from openedx_certificates.clock import database_now, has_come
from openedx_certificates.held.backoff import LONGEST_PROBE_DELAY, delay_until_probe
from openedx_certificates.logs import get_logger
from openedx_certificates.models import OpenEdxPause
from openedx_certificates.models.request import LAST_ERROR_TEXT_MAX_LENGTH
from openedx_certificates.settings import app_settings
from openedx_certificates.wire.exceptions import (
    OpenEdxError,
    OpenEdxNonsense,
    OpenEdxRefused,
    OpenEdxThrottled,
    OpenEdxUnreachable,
)

log = get_logger(__name__)

# Failures of Open edX as a whole; the others are about one learner, and show that it is up.
OUTAGES = (OpenEdxUnreachable, OpenEdxRefused, OpenEdxThrottled, OpenEdxNonsense)
# The longest delay, and as much for what is odd: a probe further away is due, see `has_come`.
LONGEST_WAIT_FOR_PROBE = 2 * LONGEST_PROBE_DELAY


def get_pause() -> OpenEdxPause:
    """Return how Open edX has been doing; if nothing ever failed, a row that is not saved."""
    return OpenEdxPause.objects.filter(pk=OpenEdxPause.THE_ROW).first() or OpenEdxPause()


def note_outage(error: OpenEdxError, *, is_probe: bool = False) -> None:
    """Count a question that failed as any other would have; begin or prolong the pause.

    Args:
        error: what Open edX said.
        is_probe: whether it was the probe; its turn is over then. Another's question, from before
            the pause, must not let a second probe through beside the first.
    """
    with transaction.atomic():
        pause, _ = OpenEdxPause.objects.select_for_update().get_or_create(pk=OpenEdxPause.THE_ROW)
        now = database_now()
        pause.failures += 1
        pause.last_error_text = str(error)[:LAST_ERROR_TEXT_MAX_LENGTH]
        begins = not pause.is_on and pause.failures >= app_settings.PAUSE_AFTER_FAILURES
        if begins:
            pause.since = now
        if pause.since is not None:
            # One that is still to come was written while a clock was wrong.
            pause.since = min(pause.since, now)
            next_probe_on = now + delay_until_probe(now, pause.since)
            if pause.next_probe_on is not None and not is_probe:
                next_probe_on = max(pause.next_probe_on, next_probe_on)
            pause.next_probe_on = next_probe_on
        pause.save()
    if begins:
        log.error(
            "Open edX is down: questions are paused",
            extra={"error": error.code, "cause": str(error), "failures": pause.failures},
        )


def note_answer(before: OpenEdxPause) -> bool:
    """Take down that Open edX answered; return whether that ended a pause.

    Args:
        before: what `get_pause` returned before the question. If nothing had failed, there is
            nothing to write.
    """
    if not before.failures:
        return False
    row = OpenEdxPause.objects.filter(pk=OpenEdxPause.THE_ROW)
    # By the row and not by what was read: the pause may have begun during the question.
    has_ended = row.filter(next_probe_on__isnull=False).update(
        failures=0, since=None, next_probe_on=None, updated_on=Now()
    )
    if not has_ended:
        row.update(failures=0, updated_on=Now())
        return False
    log.info("Open edX is up again: the pause is over")
    return True


def claim_probe() -> bool:
    """Return whether the caller may ask now; then no other may for a while."""
    due = OpenEdxPause.objects.filter(
        has_come("next_probe_on", within=LONGEST_WAIT_FOR_PROBE), pk=OpenEdxPause.THE_ROW
    )
    # A prober that dies leaves the next turn to another, like any other lease. A long lease must
    # not keep Open edX from being found well.
    lease = timedelta(seconds=app_settings.REQUEST_LEASE)
    until = Now() + min(lease, LONGEST_PROBE_DELAY)
    return due.update(next_probe_on=until, updated_on=Now()) == 1


def give_probe_back() -> None:
    """Let another worker probe at once: nothing was asked after all."""
    OpenEdxPause.objects.filter(pk=OpenEdxPause.THE_ROW, next_probe_on__isnull=False).update(
        next_probe_on=Now(), updated_on=Now()
    )
