"""How a held request ends, or waits for another attempt: what is written when an attempt is over."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Least, Now

from openedx_certificates import host
from openedx_certificates.held.backoff import GIVE_UP_AFTER, is_time_to_give_up
from openedx_certificates.held.queue import (
    RELEASED,
    OwnFailure,
    Reason,
    Status,
    get_free_requests,
    get_leased,
    get_open_requests,
    is_due,
    release,
    update_unlocked,
)
from openedx_certificates.models import CertificateRequest
from openedx_certificates.models.request import LAST_ERROR_TEXT_MAX_LENGTH
from openedx_certificates.rules import CertificateOutcome

# From now on, unless it was failing before: PostgreSQL's LEAST leaves out what is null. A moment
# that is still to come was written while a clock was wrong: the three days begin now.
_FAILING: Final[dict[str, Any]] = {
    "failing_since": Least("failing_since", Now()),
    "last_delivered_on": Least("last_delivered_on", Now()),
}

# The commit of nearly every certificate has it, and by the ORM it is a quarter of that.
_SETTLE_CERTIFIED = """
UPDATE openedx_certificates_certificaterequest
SET status = %(status)s, reason = '', settled_on = statement_timestamp(),
    updated_on = statement_timestamp(), lease = NULL, leased_until = NULL
WHERE user_id = %(user)s AND course_run_id = %(course_run)s AND status = 'open'
AND EXISTS (
    SELECT FROM {certificates} AS certificate
    WHERE certificate.user_id = %(user)s AND certificate.course_run_id = %(course_run)s
)
"""


def settle(requests: QuerySet[CertificateRequest], status: Status, reason: str = "") -> int:
    """Settle those of the requests that are open, leased or not; return how many there were."""
    return requests.filter(status=Status.OPEN).update(
        status=status, reason=reason, settled_on=Now(), updated_on=Now(), **RELEASED
    )


def settle_certified(
    course_run: host.CourseRun, outcomes: Mapping[int, CertificateOutcome]
) -> None:
    """Settle the open requests of learners with a certificate that a grade just created or found.

    Not if the certificate is gone again by now: a request that came since is another's.

    Args:
        course_run: of the certificates.
        outcomes: by the learners' ids; those without a certificate settle nothing.
    """
    statuses = {user: Status(each.status) for user, each in outcomes.items() if each.is_certified}
    if len(statuses) == 1:
        ((user, status),) = statuses.items()
        with connection.cursor() as cursor:
            cursor.execute(
                host.sql(_SETTLE_CERTIFIED),
                {"user": user, "course_run": course_run.pk, "status": status.value},
            )
        return
    certified = get_open_requests().filter(_is_certified(), course_run=course_run)
    # Hardly a learner of a page has one.
    waiting = get_open_requests().filter(course_run=course_run, user__in=statuses)
    by_status: dict[Status, list[int]] = {}
    for user in waiting.values_list("user_id", flat=True) if statuses else ():
        by_status.setdefault(statuses[user], []).append(user)
    for status, users in by_status.items():
        with transaction.atomic():
            # Skip locked rows; the next pass settles them.
            locked = certified.filter(user__in=users).select_for_update(skip_locked=True)
            settle(CertificateRequest.objects.filter(pk__in=locked.values("pk")), status)


def settle_already_certified(requests: QuerySet[CertificateRequest]) -> Counter[str]:
    """Settle the idle requests with a certificate; return how many, by status.

    The process that issued it may have died before the request was settled, and an administrator
    may have issued it by hand.
    """
    settled: Counter[str] = Counter()
    for is_revoked, status in ((False, Status.EXISTS), (True, Status.REVOKED)):
        certified = (get_free_requests() & requests).filter(_is_certified(is_revoked=is_revoked))
        with transaction.atomic():
            settled[status.value] = update_unlocked(
                certified, status=status, reason=Reason.NONE, settled_on=Now(), **RELEASED
            )
    return settled


def settle_answered(request: CertificateRequest, lease: UUID, reason: Reason) -> bool:
    """Settle as not eligible, and return whether the request is settled.

    It is not if another event came since it was claimed: the answer may be from before what
    that one tells of, so the request stays open and is due at once.
    """
    if settle(_unchanged(request, lease), Status.NOT_ELIGIBLE, reason):
        return True
    release(lease, request)
    return False


def postpone_answered(
    request: CertificateRequest, lease: UUID, reason: Reason, delay: timedelta
) -> None:
    """Keep an answered request open and ask again after the delay; at once if another event came."""
    postponed = _unchanged(request, lease).update(
        reason=reason,
        not_passed_answers=F("not_passed_answers") + 1,
        next_attempt_on=Now() + delay,
        failing_since=None,
        ignores_pause=False,
        updated_on=Now(),
        **RELEASED,
    )
    if not postponed:
        release(lease, request)


def postpone_failed(
    request: CertificateRequest, lease: UUID, delay: timedelta, code: str, text: str
) -> bool:
    """Keep a failed request and try again after the delay, or settle it as failed in the end.

    Return whether it stays open.

    Args:
        request: as it was claimed.
        lease: the claim.
        delay: until the next attempt.
        code: the failure in one word.
        text: the failure in a sentence without anything of the learner.
    """
    failure: dict[str, Any] = {
        **_FAILING,
        "last_error": code,
        "last_error_text": text[:LAST_ERROR_TEXT_MAX_LENGTH],
        "ignores_pause": False,
        "updated_on": Now(),
        **RELEASED,
    }
    if is_time_to_give_up(
        request.last_attempt_on, request.failing_since, request.last_delivered_on
    ):
        # Not if another event came since the claim: that one has three days of its own.
        ended = _unchanged(request, lease).update(
            status=Status.FAILED, reason=Reason.NONE, settled_on=Now(), **failure
        )
        if ended:
            return False
    get_leased(lease).filter(pk=request.pk).update(next_attempt_on=Now() + delay, **failure)
    return True


@transaction.atomic
def bring_forward() -> None:
    """Make everything due now that waits because of a failure."""
    waiting = get_open_requests().filter(next_attempt_on__gt=Now(), failing_since__isnull=False)
    update_unlocked(waiting, next_attempt_on=Now())


@transaction.atomic
def give_up_after_pause() -> int:
    """Settle as failed what was held through three days of a pause; return how many those are.

    In a pause only probes are asked, so nothing else would find that the time is up.
    """
    held = get_free_requests()
    untried = held.filter(is_due(), failing_since__isnull=True)
    dated_ahead = held.filter(Q(failing_since__gt=Now()) | Q(last_delivered_on__gt=Now()))
    paused = OwnFailure.PAUSED
    update_unlocked(
        untried | dated_ahead, last_error=paused, last_error_text=paused.label, **_FAILING
    )
    ended = Now() - GIVE_UP_AFTER
    return update_unlocked(
        held.filter(failing_since__lte=ended, last_delivered_on__lte=ended),
        status=Status.FAILED,
        reason=Reason.NONE,
        settled_on=Now(),
        **RELEASED,
    )


def _unchanged(request: CertificateRequest, lease: UUID) -> QuerySet[CertificateRequest]:
    """Return the claimed request, unless another event has joined it since."""
    return get_leased(lease).filter(pk=request.pk, deliveries=request.deliveries)


def _is_certified(**which: Any) -> Exists:
    """Return the condition that the learner of a request has a certificate of its run."""
    certificates = host.certificates().filter(
        user=OuterRef("user"), course_run=OuterRef("course_run"), **which
    )
    return Exists(certificates)
