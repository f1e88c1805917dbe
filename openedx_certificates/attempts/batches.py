"""Many requests of one run: settled from the run's pages instead of a question for each learner."""

import time
from collections.abc import Collection, Generator, Iterator
from uuid import UUID

from django.db import Error as DatabaseFailure

from openedx_certificates import host
from openedx_certificates.attempts.attempt import (
    Attempt,
    apply_answer,
    apply_failure,
    apply_own_failure,
    leave_for_later,
    make_attempt,
    note_open_edx_is_up,
)
from openedx_certificates.conflicts import is_database_away
from openedx_certificates.held.pause import OUTAGES, get_pause, note_outage
from openedx_certificates.held.queue import OwnFailure, claim, get_leased, release_all, renew
from openedx_certificates.issuing.learner import OVERTAKEN
from openedx_certificates.issuing.pages import LearnerResult
from openedx_certificates.models import CertificateRequest
from openedx_certificates.rules import GradeOutcome, must_ask_again
from openedx_certificates.settings import app_settings
from openedx_certificates.sweeps.generation import iter_certificates_of
from openedx_certificates.wire.exceptions import OpenEdxError, UnusableGrade

# From so many open requests of one run on it is looked at whether pages are fewer questions.
MANY = 10
# How many of the learners missing from the pages are asked for one by one in a pass.
ASKED_AFTER_PAGES = 10


def are_pages_worth_it(run: int, requests: int) -> bool:
    """Return whether the run's pages are fewer questions than one for each request.

    Args:
        run: the course run's key.
        requests: how many open requests of it there are.
    """
    if requests < MANY:
        return False
    learners = host.enrollments().filter(run=run, active=True).count()
    return learners <= app_settings.PAGE_SIZE * requests


def make_attempts_from_pages(pks: Collection[int]) -> Generator[Attempt]:
    """Take up those of the requests that are free, and yield what comes of each.

    If the pages leave learners out or break off, a few are asked for one by one: it may be the
    page that fails and not the learner. The others are tried again later.

    Args:
        pks: of requests of one run.

    Raises Django's database errors if the server is away.
    """
    lease = claim(CertificateRequest.objects.filter(pk__in=pks))
    if lease is None:
        return
    held = get_leased(lease).select_related("user", "course_run").order_by("next_attempt_on", "pk")
    requests = {request.user_id: request for request in held}
    if not requests:
        # Settled since by another worker.
        return
    try:
        error = yield from _take_pages(requests, lease)
        yield from _take_the_others(list(requests.values()), lease, error)
    finally:
        # For a caller that stops in the middle.
        release_all(lease)


def _take_pages(
    requests: dict[int, CertificateRequest], lease: UUID
) -> Generator[Attempt, None, Exception]:
    """Yield what comes of each request the pages tell of, and take it out of `requests`.

    Return why they did not tell of the others.
    """
    pause, is_known_up, renewed = get_pause(), False, time.monotonic()
    run = next(iter(requests.values())).course_run
    try:
        for results in iter_certificates_of(run, requests):
            if not is_known_up:
                is_known_up = True
                note_open_edx_is_up(pause)
            if time.monotonic() - renewed > app_settings.REQUEST_LEASE / 4:
                renewed = time.monotonic()
                renew(lease)
            for learner, result in results:
                yield _take_result(requests.pop(learner), lease, result)
    except OpenEdxError as error:
        if isinstance(error, OUTAGES):
            note_outage(error)
        return error
    except DatabaseFailure:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
        return error
    return UnusableGrade("Open edX left the learner out of the run's grades.")


def _take_result(request: CertificateRequest, lease: UUID, result: LearnerResult) -> Attempt:
    try:
        if must_ask_again(result.grade, result.certificate):
            return apply_failure(request, lease, UnusableGrade(OVERTAKEN))
        if result.certificate is not None:
            return apply_answer(request, lease, result.certificate)
        if result.grade is GradeOutcome.REFUSED:
            return apply_failure(request, lease, UnusableGrade("Open edX's grade can't be one."))
        return apply_own_failure(request, lease, OwnFailure.DATABASE)
    except DatabaseFailure as error:
        if is_database_away(error):
            raise
        return leave_for_later(request, error)


def _take_the_others(
    requests: list[CertificateRequest], lease: UUID, error: Exception
) -> Iterator[Attempt]:
    asked = 0
    for request in requests:
        if asked >= ASKED_AFTER_PAGES:
            yield apply_failure(request, lease, error)
            continue
        renew(lease)
        attempt = make_attempt(request, lease, get_pause())
        asked = ASKED_AFTER_PAGES if attempt.is_outage else asked + 1
        yield attempt
