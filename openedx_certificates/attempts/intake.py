"""What becomes of an event: it is held, and then worked on here and now, or by a worker."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

from django.db import connection

from openedx_certificates import host
from openedx_certificates.attempts.attempt import make_attempt
from openedx_certificates.held.queue import Status, accept_request, was_unpaid_lately
from openedx_certificates.held.wakeup import wake_worker
from openedx_certificates.models import CertificateRequest, OpenEdxPause
from openedx_certificates.rules import CertificateOutcome
from openedx_certificates.settings import app_settings
from openedx_certificates.waiting.holding import hold_nothing

LOOK_SECONDS = 0.1
# One statement for all that is asked before a question to Open edX: each costs a round trip, and the
# ORM's as much again.
_SEE = """
SELECT
    learner.id, learner.is_active, run.id, run.courseware_id, run.course_id,
    certificate.is_revoked,
    coalesce(pause.failures, 0), pause.next_probe_on
FROM (VALUES (1)) AS event
"""
_WITH_WHAT_IS_THERE = """
LEFT JOIN {certificates} AS certificate
    ON certificate.user_id = learner.id AND certificate.course_run_id = run.id
LEFT JOIN openedx_certificates_openedxpause AS pause ON pause.id = 1
ORDER BY learner.id
LIMIT 1
"""
_SEE_EVENT = f"""{_SEE}
LEFT JOIN {{users}} AS learner ON {host.SAME_EMAIL}
LEFT JOIN {{runs}} AS run ON run.courseware_id = %(course_id)s
{_WITH_WHAT_IS_THERE}"""
_SEE_ROWS = f"""{_SEE}
LEFT JOIN {{users}} AS learner ON learner.id = %(user)s
LEFT JOIN {{runs}} AS run ON run.id = %(course_run)s
{_WITH_WHAT_IS_THERE}"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there already when an event comes."""

    #: None if unknown here. Only the columns that an event needs are read, the others when they are asked for.
    user: host.User | None
    course_run: host.CourseRun | None
    #: What can be answered because there is a certificate, None without one.
    answer: CertificateOutcome | None
    pause: OpenEdxPause


def see_event(email: str, course_id: str) -> Seen:
    """Return what is known of the learner and the run that an event names; one statement.

    Args:
        email: in any case, as the learner's unique index has it.
        course_id: exactly as it is stored.
    """
    return _see(_SEE_EVENT, {"email": email.strip(), "course_id": course_id})


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
    return take_in(
        _see(_SEE_ROWS, {"user": user.pk, "course_run": course_run.pk}), user, course_run
    )


def take_in(seen: Seen, user: host.User, course_run: host.CourseRun) -> CertificateOutcome | None:
    """Do what `request_certificate` does, if it has been seen already what is there."""
    if seen.answer is not None:
        return seen.answer
    with _place_to_wait() as has_place:
        lease = uuid4() if has_place and not seen.pause.is_on else None
        request = accept_request(user, course_run, lease=lease)
        if request is None:
            if was_unpaid_lately(user, course_run):
                return CertificateOutcome.NO_PAID_ENROLLMENT
            # Issued since we looked, by an event of the same moment.
            return request_certificate(user, course_run)
        if lease is not None:
            if request.lease == lease:
                return make_attempt(request, lease, seen.pause).outcome
            return _wait_for_the_other(request)
    wake_worker()
    return None


def _see(statement: str, which: dict[str, Any]) -> Seen:
    with connection.cursor() as cursor:
        cursor.execute(host.sql(statement), which)
        user, is_active, run, courseware_id, course, is_revoked, failures, probe = cursor.fetchone()
    learner = user and host.row_of("users.User", id=user, is_active=is_active)
    course_run = run and host.row_of("courses.CourseRun", id=run, courseware_id=courseware_id)
    answer = None
    if is_revoked is not None:
        answer = CertificateOutcome.REVOKED if is_revoked else CertificateOutcome.EXISTS
    elif course_run:
        # A host's certificate goes by its course's page, and needs no more of the course than its key.
        course_run.course = host.row_of("courses.Course", id=course)
    pause = OpenEdxPause(failures=failures, next_probe_on=probe)
    return Seen(learner, course_run, answer, pause)


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
