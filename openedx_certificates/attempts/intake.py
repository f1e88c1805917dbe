"""What becomes of an event: it is held, and then worked on here and now, or by a worker."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

from django.db import connection

from openedx_certificates import host
from openedx_certificates.attempts.attempt import make_attempt
from openedx_certificates.held.pause import get_pause
from openedx_certificates.held.queue import Status, accept_request
from openedx_certificates.held.wakeup import wake_worker
from openedx_certificates.models import CertificateRequest
from openedx_certificates.rules import CertificateOutcome
from openedx_certificates.settings import app_settings
from openedx_certificates.waiting.holding import hold_nothing

LOOK_SECONDS = 0.1
# The contract, section 5: an Open edX that sends the event whenever a grade is read would be asked
# for the grade, send the event, and so on without end.
UNPAID_ANSWER_HOLDS_MINUTES = 10
_ANSWER = """
SELECT
    (
        SELECT is_revoked FROM {certificates}
        WHERE user_id = %(user)s AND course_run_id = %(course_run)s
    ),
    EXISTS (
        SELECT FROM openedx_certificates_certificaterequest AS settled
        WHERE user_id = %(user)s AND course_run_id = %(course_run)s
        AND status = 'not_eligible' AND reason = 'no_paid_enrollment'
        AND settled_on > statement_timestamp() - %(minutes)s * interval '1 minute'
        AND settled_on <= statement_timestamp()
        AND NOT EXISTS (
            SELECT FROM {enrollments} AS enrollment
            WHERE enrollment.user_id = %(user)s AND enrollment.run_id = %(course_run)s
            -- A save of the future is a wrong clock's: nothing is known of it. Who has paid counts
            -- all the same, also past `save()`, or by a process whose clock is behind.
            AND (
                enrollment.updated_on > settled.settled_on
                AND enrollment.updated_on <= statement_timestamp()
                OR (%(is_active)s AND active AND enrollment_mode = ANY(%(paid_modes)s))
            )
        )
    )
"""


def request_certificate(user: host.User, course_run: host.CourseRun) -> CertificateOutcome | None:
    """Take in that the learner has passed, and return what came of it; None if that is open.

    On return the certificate exists, or the request is committed to the database (if the caller
    is in no transaction) and is worked on until it is settled. Repeatable, also at the same time:
    of simultaneous calls one asks Open edX.

    Open edX is not asked if there is a certificate, or if it said within the last ten minutes that
    the learner has passed, and there is no paid enrollment still.

    None if Open edX could not tell or is known to be down, if a worker is to ask (WEBHOOK_ASYNC, or
    a MODE in which events are only held), and if too many wait for Open edX already.

    Args:
        user: the learner.
        course_run: the run; its dates are waived, nothing else is.

    Raises Django's database errors; if they come before the request is committed, it is not held.
    """
    answer = _find_answer(user, course_run)
    if answer is not None:
        return answer
    with _place_to_wait() as has_place:
        pause = get_pause() if has_place else None
        lease = uuid4() if pause is not None and not pause.is_on else None
        request = accept_request(user, course_run, lease=lease)
        if request is None:
            # Issued since we looked, by an event of the same moment.
            return request_certificate(user, course_run)
        if pause is not None and lease is not None:
            if request.lease == lease:
                return make_attempt(request, lease, pause).outcome
            return _wait_for_the_other(request)
    wake_worker()
    return None


def _find_answer(user: host.User, course_run: host.CourseRun) -> CertificateOutcome | None:
    """Return what can be answered without a question to Open edX, None if nothing can; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            host.sql(_ANSWER),
            {
                "user": user.pk,
                "course_run": course_run.pk,
                "minutes": UNPAID_ANSWER_HOLDS_MINUTES,
                "is_active": user.is_active,
                "paid_modes": host.paid_modes(),
            },
        )
        is_revoked, was_unpaid = cursor.fetchone()
    if is_revoked is not None:
        return CertificateOutcome.REVOKED if is_revoked else CertificateOutcome.EXISTS
    return CertificateOutcome.NO_PAID_ENROLLMENT if was_unpaid else None


def _wait_for_the_other(request: CertificateRequest) -> CertificateOutcome | None:
    """Return what came of the request that another worker has, None if that takes too long."""
    ends = time.monotonic() + app_settings.TIMEOUT
    while time.monotonic() < ends:
        with hold_nothing():
            # The other may be on another machine: there is nothing to be told by.
            time.sleep(LOOK_SECONDS)
        now = CertificateRequest.objects.filter(pk=request.pk).first()
        if now is None or now.lease != request.lease:
            return _outcome_of_the_other(now)
    return None


def _outcome_of_the_other(request: CertificateRequest | None) -> CertificateOutcome | None:
    if request is None or request.status not in (Status.CREATED, Status.EXISTS, Status.REVOKED):
        return None
    is_revoked = request.status == Status.REVOKED
    return CertificateOutcome.REVOKED if is_revoked else CertificateOutcome.EXISTS


@contextmanager
def _place_to_wait() -> Iterator[bool]:
    """Take one of the places for waiting for Open edX; return whether there was one.

    The other threads of the server are for requests that don't wait. In the background mode there are
    no places: a worker asks.
    """
    if app_settings.WEBHOOK_ASYNC or not app_settings.works_on_events:
        yield False
        return
    places = _places(app_settings.WEBHOOK_WAITING_MAX)
    has_place = places.acquire(blocking=False)
    try:
        yield has_place
    finally:
        if has_place:
            places.release()


@cache
def _places(number: int) -> threading.Semaphore:
    return threading.Semaphore(number)
