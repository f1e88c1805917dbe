"""One attempt at a held request: Open edX is asked, and what came of it is taken down."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseFailure

from openedx_certificates.conflicts import describe_failure, is_database_away
from openedx_certificates.held.backoff import (
    NEEDS_A_PERSON,
    delay_after_failure,
    delay_after_not_passed,
)
from openedx_certificates.held.outcomes import (
    bring_forward,
    postpone_answered,
    postpone_failed,
    settle_answered,
)
from openedx_certificates.held.pause import OUTAGES, note_answer, note_outage
from openedx_certificates.held.queue import OwnFailure, Reason
from openedx_certificates.issuing.errors import describe_own_error
from openedx_certificates.logs import get_logger
from openedx_certificates.models import CertificateRequest, OpenEdxPause
from openedx_certificates.rules import CertificateOutcome
from openedx_certificates.sweeps.generation import generate_course_run_certificates
from openedx_certificates.wire.exceptions import NoEdxUsername, OpenEdxError

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it."""

    #: None if there was no answer.
    outcome: CertificateOutcome | None
    #: Whether the request waits for another attempt.
    is_open: bool = False
    #: Whether Open edX was asked at all.
    has_asked: bool = True
    #: Whether any other question would have failed as well.
    is_outage: bool = False


def make_attempt(
    request: CertificateRequest, lease: UUID, pause: OpenEdxPause, *, is_probe: bool = False
) -> Attempt:
    """Ask for the learner's grade, issue the certificate if it is earned, settle or postpone.

    An error of ours is taken down like one of Open edX's: one request must not stop all others.

    Args:
        request: claimed by the caller.
        lease: the claim.
        pause: what `get_pause` returned just now.
        is_probe: whether the caller has the probe.

    Raises Django's database errors if the server is away; then the lease runs out.
    """
    try:
        return _ask(request, lease, pause, is_probe)
    except DatabaseFailure as error:
        if is_database_away(error):
            raise
        return leave_for_later(request, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return apply_failure(request, lease, error)


def _ask(request: CertificateRequest, lease: UUID, pause: OpenEdxPause, is_probe: bool) -> Attempt:
    try:
        summary = generate_course_run_certificates(
            user=request.user, course_run=request.course_run, force=True
        )
    except OpenEdxError as error:
        if isinstance(error, OUTAGES):
            note_outage(error, is_probe=is_probe)
        elif not isinstance(error, NoEdxUsername):
            note_open_edx_is_up(pause)
        return apply_failure(request, lease, error)
    except DatabaseFailure as error:
        if is_database_away(error):
            raise
        return apply_own_failure(request, lease, OwnFailure.DATABASE, **describe_failure(error))
    note_open_edx_is_up(pause)
    return apply_answer(request, lease, summary.outcome)


def note_open_edx_is_up(pause: OpenEdxPause) -> None:
    """End the pause, if there was one, and let all that waits through."""
    if note_answer(pause):
        bring_forward()


def apply_answer(request: CertificateRequest, lease: UUID, outcome: CertificateOutcome) -> Attempt:
    """Settle or postpone a request by what Open edX said of the learner."""
    if outcome.is_certified:
        # Storing the grade has settled it.
        log.info("certificate request settled", extra={**_ids(request), "outcome": str(outcome)})
        return Attempt(outcome)
    reason, delay = Reason(outcome.reason), None
    if reason is Reason.NOT_PASSED:
        delay = delay_after_not_passed(request.not_passed_answers + 1)
    if delay is not None:
        postpone_answered(request, lease, reason, delay)
        return Attempt(outcome, is_open=True)
    is_settled = settle_answered(request, lease, reason)
    if is_settled:
        log.info("certificate request settled", extra={**_ids(request), "outcome": str(outcome)})
    return Attempt(outcome, is_open=not is_settled)


def apply_failure(request: CertificateRequest, lease: UUID, error: Exception) -> Attempt:
    """Postpone a request that Open edX could not tell about, or give it up after three days.

    Any other error is one of ours.
    """
    if not isinstance(error, OpenEdxError):
        return apply_own_failure(request, lease, OwnFailure.INTERNAL, **describe_own_error(error))
    delay = delay_after_failure(error, _failing_for(request))
    is_open = postpone_failed(request, lease, delay, error.code, str(error))
    log.log(
        logging.ERROR if isinstance(error, NEEDS_A_PERSON) or not is_open else logging.WARNING,
        "certificate request deferred" if is_open else "certificate request given up",
        extra={**_ids(request), "error": error.code, "cause": str(error)},
    )
    return Attempt(
        None,
        is_open=is_open,
        has_asked=not isinstance(error, NoEdxUsername),
        is_outage=isinstance(error, OUTAGES),
    )


def leave_for_later(request: CertificateRequest, error: DatabaseFailure) -> Attempt:
    """Leave a request to the next pass after its lease has run out: its own row can't be written.

    Such as when another transaction has it locked for too long.
    """
    log.error(
        "certificate request left for later", extra={**_ids(request), **describe_failure(error)}
    )
    return Attempt(None, is_open=True)


def apply_own_failure(
    request: CertificateRequest, lease: UUID, failure: OwnFailure, **fields: object
) -> Attempt:
    """Postpone a request that failed because of us, or give it up after three days.

    Args:
        request: claimed by the caller.
        lease: the claim.
        failure: what happened.
        **fields: for the log; `cause` is for the row as well.
    """
    delay = delay_after_failure(None, _failing_for(request))
    text = str(fields.get("cause", failure.label))
    is_open = postpone_failed(request, lease, delay, failure.value, text)
    log.error(
        "certificate request deferred" if is_open else "certificate request given up",
        extra={**_ids(request), "error": failure.value, **fields},
    )
    return Attempt(None, is_open=is_open)


def _failing_for(request: CertificateRequest) -> timedelta:
    """Return how long it had been failing when it was taken up, by the database's clock."""
    if request.last_attempt_on is None or request.failing_since is None:
        return timedelta(0)
    return request.last_attempt_on - request.failing_since


def _ids(request: CertificateRequest) -> dict[str, Any]:
    return {"user_id": request.user_id, "course_id": request.course_run.courseware_id}
