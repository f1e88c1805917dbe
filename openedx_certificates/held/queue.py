"""The held requests as a queue in the database: accepted, claimed, given back; nothing is asked here.

A worker that claims a request writes a lease into it. What the holder writes afterwards counts only
while the lease is still in the row: a worker that was too slow changes nothing any more.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from openedx_certificates import host
from openedx_certificates.clock import has_come
from openedx_certificates.held.backoff import longest_wait
from openedx_certificates.models import CertificateRequest
from openedx_certificates.settings import app_settings

Status = CertificateRequest.Status
Reason = CertificateRequest.Reason
OwnFailure = CertificateRequest.OwnFailure
RELEASED: dict[str, Any] = {"lease": None, "leased_until": None}

# Of a stored grade: that a payment opens a request by it.
_HAS_PASSED = "grade.passed AND grade.grade > 0 AND grade.grade <= 2"
# The contract, section 5: an Open edX that sends the event whenever a grade is read would be asked
# for the grade, send the event, and so on without end.
UNPAID_ANSWER_HOLDS_MINUTES = 10
_WAS_UNPAID = """
EXISTS (
    SELECT FROM openedx_certificates_certificaterequest AS settled
    JOIN {grades} AS grade USING (user_id, course_run_id)
    WHERE settled.user_id = %(user)s AND settled.course_run_id = %(course_run)s
    AND settled.status = 'not_eligible' AND settled.reason = 'no_paid_enrollment'
    AND settled.settled_on > statement_timestamp() - %(minutes)s * interval '1 minute'
    AND settled.settled_on <= statement_timestamp()
    -- Then a payment opens a request by itself, and there is none to be joined.
    AND {has_passed}
    AND NOT EXISTS (
        SELECT FROM openedx_certificates_certificaterequest AS waiting
        WHERE waiting.user_id = %(user)s AND waiting.course_run_id = %(course_run)s
        AND waiting.status = 'open'
    )
    -- A save of the future is a wrong clock's: nothing is known of it.
    AND NOT EXISTS (
        SELECT FROM {enrollments} AS enrollment
        WHERE enrollment.user_id = %(user)s AND enrollment.run_id = %(course_run)s
        AND enrollment.updated_on > settled.settled_on
        AND enrollment.updated_on <= statement_timestamp()
    )
    -- Who has paid counts all the same, also past `save()`, or by a process whose clock is behind.
    AND NOT EXISTS (
        SELECT FROM {paid_enrollments}
        WHERE enrollment.user_id = %(user)s AND enrollment.run_id = %(course_run)s
    )
)
""".strip().replace("{has_passed}", _HAS_PASSED)
# One statement, so that of simultaneous events one makes the request, and one has the lease. The
# ORM can't name a partial unique index, nor look at the row that is in the way.
_ACCEPT = """
INSERT INTO openedx_certificates_certificaterequest AS held (
    user_id, course_run_id, created_on, updated_on, last_delivered_on, next_attempt_on,
    lease, leased_until, last_attempt_on, attempts
)
SELECT
    %(user)s, %(course_run)s, now, now, now, now,
    %(lease)s::uuid,
    CASE WHEN %(lease)s::uuid IS NOT NULL THEN now + %(lease_length)s END,
    CASE WHEN %(lease)s::uuid IS NOT NULL THEN now END,
    CASE WHEN %(lease)s::uuid IS NOT NULL THEN 1 ELSE 0 END
FROM (SELECT statement_timestamp()) AS clock (now)
WHERE NOT EXISTS (
    SELECT FROM {certificates}
    WHERE user_id = %(user)s AND course_run_id = %(course_run)s
)
AND NOT {was_unpaid}
ON CONFLICT (user_id, course_run_id) WHERE status = 'open' DO UPDATE SET
    updated_on = EXCLUDED.updated_on,
    last_delivered_on = EXCLUDED.last_delivered_on,
    next_attempt_on = EXCLUDED.next_attempt_on,
    deliveries = held.deliveries + 1,
    not_passed_answers = 0,
    (lease, leased_until, last_attempt_on, attempts) = (
        SELECT
            CASE WHEN at_work THEN held.lease ELSE EXCLUDED.lease END,
            CASE WHEN at_work THEN held.leased_until ELSE EXCLUDED.leased_until END,
            CASE WHEN at_work THEN held.last_attempt_on
                ELSE coalesce(EXCLUDED.last_attempt_on, held.last_attempt_on) END,
            held.attempts + CASE WHEN at_work THEN 0 ELSE EXCLUDED.attempts END
        FROM (
            SELECT held.leased_until > EXCLUDED.updated_on
            AND held.leased_until <= EXCLUDED.updated_on + %(longest_lease)s
        ) AS another (at_work)
    )
RETURNING *
""".replace("{was_unpaid}", _WAS_UNPAID)
# Learners with a stored pass and a later payment: as if their events had come now.
_ACCEPT_PAYMENTS = """
INSERT INTO openedx_certificates_certificaterequest AS held (
    user_id, course_run_id, created_on, updated_on, last_delivered_on, next_attempt_on
)
SELECT enrollment.user_id, enrollment.run_id, now, now, now, now
FROM {paid_enrollments}
JOIN {grades} AS grade
    ON grade.user_id = enrollment.user_id AND grade.course_run_id = enrollment.run_id
CROSS JOIN (SELECT statement_timestamp()) AS clock (now)
WHERE enrollment.run_id = %(course_run)s
AND enrollment.user_id = ANY(%(users)s)
AND {has_passed}
AND NOT EXISTS (
    SELECT FROM {certificates} AS certificate
    WHERE certificate.user_id = enrollment.user_id
    AND certificate.course_run_id = enrollment.run_id
)
ORDER BY enrollment.user_id
ON CONFLICT (user_id, course_run_id) WHERE status = 'open' DO UPDATE SET
    updated_on = EXCLUDED.updated_on,
    last_delivered_on = EXCLUDED.last_delivered_on,
    next_attempt_on = EXCLUDED.next_attempt_on,
    deliveries = held.deliveries + 1,
    not_passed_answers = 0
""".replace("{has_passed}", _HAS_PASSED)
# Sent as one, and without parameters, so that it is one transaction and one wait. Its keys belong
# to no row, and differ with each connection, so that none waits for another. The foreign keys are
# looked at when it is committed, and the row is gone by then.
_TRY = """
INSERT INTO openedx_certificates_certificaterequest (
    id, user_id, course_run_id, created_on, updated_on, last_delivered_on, next_attempt_on
)
VALUES (-pg_backend_pid(), -pg_backend_pid(), -pg_backend_pid(), now(), now(), now(), now());
DELETE FROM openedx_certificates_certificaterequest WHERE id = -pg_backend_pid();
"""


def accept_request(
    user: host.User, course_run: host.CourseRun, *, lease: UUID | None
) -> CertificateRequest | None:
    """Hold an event, and return the learner's open request of the run.

    None if there is nothing to hold: the learner has a certificate by now, or `was_unpaid_lately`.
    Committed on return, if the caller is in no transaction. An event joins the open request, which is
    then due at once and starts its patience again: the sender knows something new.

    Args:
        user: the learner.
        course_run: which the learner passed, it is said.
        lease: of a caller that wants to work on it at once. The request returned has another if
            another worker has it.
    """
    accepted = host.read_rows(
        CertificateRequest._meta.label,
        _ACCEPT,
        {
            **_unpaid_answer_of(user, course_run),
            "lease": lease,
            "lease_length": _lease_length(),
            "longest_lease": longest_lease(),
        },
    )
    for request in accepted:
        # In hand already: no query when they are asked for.
        request.user, request.course_run = user, course_run
        return request
    return None


def was_unpaid_lately(user: host.User, course_run: host.CourseRun) -> bool:
    """Return whether Open edX said so lately that the learner has passed, and there is no payment still.

    Then the answer need not be asked for again.
    """
    with connection.cursor() as cursor:
        cursor.execute(host.sql("SELECT " + _WAS_UNPAID), _unpaid_answer_of(user, course_run))
        (was_unpaid,) = cursor.fetchone()
    return bool(was_unpaid)


def _unpaid_answer_of(user: host.User, course_run: host.CourseRun) -> dict[str, Any]:
    return {
        "user": user.pk,
        "course_run": course_run.pk,
        "minutes": UNPAID_ANSWER_HOLDS_MINUTES,
    }


def accept_payments(course_run: int, users: Collection[int]) -> int:
    """Hold, as if an event had come, each paid and passed learner without a certificate.

    One statement. Returns how many are held. A revoked certificate is one.

    Args:
        course_run: the run's key.
        users: the learners' ids.
    """
    with connection.cursor() as cursor:
        cursor.execute(host.sql(_ACCEPT_PAYMENTS), {"course_run": course_run, "users": list(users)})
        return int(cursor.rowcount)


def try_to_hold() -> None:
    """Hold an event of no learner and take it back: raise the database error that a real one would meet.

    Committed like a real one, so that it waits for the disk and for a synchronous standby too. No
    other transaction ever sees the row.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TRY)


def get_open_requests() -> QuerySet[CertificateRequest]:
    """Return what is not settled."""
    return CertificateRequest.objects.filter(status=Status.OPEN)


def get_free_requests() -> QuerySet[CertificateRequest]:
    """Return what is open and in no worker's hands."""
    return get_open_requests().filter(is_free())


def is_free() -> Q:
    """Return which requests are in no worker's hands."""
    return Q(lease__isnull=True) | has_come("leased_until", within=longest_lease())


def longest_lease() -> timedelta:
    """Return how far away the end of a lease can be: a lease's length, and as much for what is odd."""
    return 2 * _lease_length()


def is_due() -> Q:
    """Return which requests' time has come, worked on or not."""
    return has_come("next_attempt_on", within=longest_wait())


@transaction.atomic
def claim(requests: QuerySet[CertificateRequest]) -> UUID | None:
    """Take up those of the requests that are free, and return the lease; None without any.

    If two workers claim the same request at once, one gets it, and neither waits. Nothing stays
    locked.
    """
    lease = uuid4()
    free = (get_free_requests() & requests).select_for_update(skip_locked=True)
    claimed = CertificateRequest.objects.filter(pk__in=free.values("pk")).update(
        lease=lease,
        leased_until=Now() + _lease_length(),
        attempts=F("attempts") + 1,
        last_attempt_on=Now(),
        updated_on=Now(),
    )
    return lease if claimed else None


def get_leased(lease: UUID) -> QuerySet[CertificateRequest]:
    """Return what is open and the lease's holder may still write."""
    return get_open_requests().filter(lease=lease)


@transaction.atomic
def renew(lease: UUID) -> None:
    """Start the lease again: its holder lives."""
    update_unlocked(get_leased(lease), leased_until=Now() + _lease_length())


def release(lease: UUID, request: CertificateRequest) -> None:
    """Give up the lease of a request that Open edX answered; it is due when it was due before."""
    get_leased(lease).filter(pk=request.pk).update(failing_since=None, updated_on=Now(), **RELEASED)


@transaction.atomic
def release_all(lease: UUID) -> None:
    """Give up a lease with everything that is still under it."""
    update_unlocked(get_leased(lease), **RELEASED)


def _lease_length() -> timedelta:
    return timedelta(seconds=app_settings.REQUEST_LEASE)


def update_unlocked(requests: QuerySet[CertificateRequest], **values: Any) -> int:
    """Update the rows that are not locked: an update that waits for none is in no deadlock."""
    free = requests.select_for_update(skip_locked=True).values_list("pk", flat=True)
    return CertificateRequest.objects.filter(pk__in=list(free)).update(updated_on=Now(), **values)
