"""What becomes of an event: it is held, and then worked on here and now, or by a worker."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

from django.conf import settings

from courses.api.attempts import make_attempt
from courses.api.certificates import find_certificate
from courses.api.pause import find_pause
from courses.api.request_queue import Status, accept_request
from courses.api.rules import CertificateOutcome, as_it_stands
from courses.api.wakeup import wake_worker
from courses.models import CertificateRequest, CourseRun
from openedx.api import waiting
from users.models import User

LOOK_SECONDS = 0.1
# Of the one who works on the same request as we wait.
_OUTCOMES = {
    Status.CREATED: CertificateOutcome.EXISTS,
    Status.EXISTS: CertificateOutcome.EXISTS,
    Status.REVOKED: CertificateOutcome.REVOKED,
}


def request_certificate(user: User, course_run: CourseRun) -> CertificateOutcome | None:
    """Take in that the learner has passed, and return what came of it; None if that is open.

    On return the certificate exists, or the request is committed to the database (where the caller
    is in no transaction) and is worked on until it is settled. Repeatable, also at the same time:
    of simultaneous calls one asks Open edX.

    None where Open edX could not tell or is known to be down, where a worker shall ask
    (CERTIFICATE_WEBHOOK_ASYNC), and where too many wait for Open edX already.

    Args:
        user: the learner.
        course_run: the run; its dates are waived, nothing else is.

    Raises Django's database errors; where they come before the request is committed, it is not held.
    """
    certificate = find_certificate(user, course_run)
    if certificate is not None:
        return as_it_stands(certificate)
    with _place_to_wait() as has_place:
        pause = find_pause() if has_place else None
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


def _wait_for_the_other(request: CertificateRequest) -> CertificateOutcome | None:
    """Return what came of the request that somebody else works on, None where that takes too long."""
    ends = time.monotonic() + settings.EDX_API_CLIENT_TIMEOUT
    while time.monotonic() < ends:
        with waiting():
            # The other may be on another machine: there is nothing to be told by.
            time.sleep(LOOK_SECONDS)
        now = CertificateRequest.objects.filter(pk=request.pk).first()
        if now is None or now.lease != request.lease:
            return _OUTCOMES.get(Status(now.status)) if now else None
    return None


@contextmanager
def _place_to_wait() -> Iterator[bool]:
    """Take one of the places for those who wait for Open edX; whether there was one.

    The other threads of the server are for those who don't wait. In the background mode there are
    no places: a worker asks.
    """
    if settings.CERTIFICATE_WEBHOOK_ASYNC:
        yield False
        return
    places = _places(settings.CERTIFICATE_WEBHOOK_WAITING_MAX)
    has_place = places.acquire(blocking=False)
    try:
        yield has_place
    finally:
        if has_place:
            places.release()


@cache
def _places(number: int) -> threading.Semaphore:
    return threading.Semaphore(number)
