"""How learners stand in a run: read for a whole page of them at once, at a glance or under a lock."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, OuterRef, Subquery
from django.db.models.functions import Now

from openedx_certificates import host
from openedx_certificates.models import ZeroNote

# How long before the statement a grade was stored; nothing is known of a moment of the future. The
# clock itself is read after the statement's wait for the row, in which another may have stored it.
_STORED_FOR = """
CASE WHEN grade.updated_on <= clock_timestamp() THEN statement_timestamp() - grade.updated_on END
"""
# One statement with an array for the page: three of the ORM's, each with a parameter for each learner,
# cost nearly as much as all the rest of a page in which nothing has changed.
_LOOK = """
SELECT
    learner.user_id,
    certificate.is_revoked,
    grade.id IS NOT NULL,
    certificate.id IS NOT NULL,
    certificate.id IS NULL AND EXISTS (
        SELECT FROM {paid_enrollments}
        WHERE enrollment.user_id = learner.user_id AND enrollment.run_id = %(course_run)s
    ),
    {stored_for},
    statement_timestamp() - note.reported_on,
    grade.grade, grade.passed, grade.letter_grade, grade.set_by_admin
FROM unnest(%(users)s::bigint[]) AS learner (user_id)
LEFT JOIN {grades} AS grade
    ON grade.user_id = learner.user_id AND grade.course_run_id = %(course_run)s
LEFT JOIN {certificates} AS certificate
    ON certificate.user_id = learner.user_id AND certificate.course_run_id = %(course_run)s
LEFT JOIN openedx_certificates_zeronote AS note ON note.certificate_uuid = certificate.uuid
""".replace("{stored_for}", _STORED_FOR.strip())
# By the ORM a new certificate's locks would take as long to word as to get.
_LOCK_GRADES = """
SELECT grade.*, {stored_for} AS stored_for
FROM {grades} AS grade
WHERE course_run_id = %(course_run)s AND user_id = ANY(%(users)s)
ORDER BY user_id
FOR UPDATE
""".replace("{stored_for}", _STORED_FOR.strip())
# Locked too: a payment that is given back at this moment comes after the certificate, or before it.
_LOCK_PAID_ENROLLMENTS = """
SELECT
    enrollment.user_id,
    EXISTS (
        SELECT FROM {certificates} AS certificate
        WHERE certificate.user_id = enrollment.user_id
        AND certificate.course_run_id = %(course_run)s
    ),
    statement_timestamp()
FROM {paid_enrollments}
WHERE enrollment.run_id = %(course_run)s AND enrollment.user_id = ANY(%(users)s)
ORDER BY enrollment.user_id
FOR NO KEY UPDATE OF enrollment
"""


class _SeenGrade(NamedTuple):
    grade: float
    passed: bool
    letter_grade: str | None
    set_by_admin: bool


class _SeenCertificate(NamedTuple):
    is_revoked: bool


@dataclass(slots=True)
class SeenStanding:
    """A standing as it was a moment ago: values, since rows for a whole page cost too much."""

    grade: _SeenGrade | None = None
    certificate: _SeenCertificate | None = None
    has_paid: bool = False
    looked_at: float = 0.0
    stored_for: timedelta | None = None
    zero_reported_for: timedelta | None = None


@dataclass(slots=True)
class LockedStanding:
    """A standing that no other transaction changes before this one ends; the rows can be written."""

    grade: host.Grade | None = None
    certificate: host.Certificate | None = None
    has_paid: bool = False
    looked_at: float = 0.0
    stored_for: timedelta | None = None
    zero_reported_for: timedelta | None = None
    #: The moment by the database's clock, if the learner has paid.
    read_on: datetime | None = None


def look_at_standings(
    course_run: host.CourseRun, users: Collection[int]
) -> dict[int, SeenStanding]:
    """Return how each of the users stands in the run; one statement, and nothing is locked."""
    with connection.cursor() as cursor:
        looked_at = time.monotonic()
        cursor.execute(host.sql(_LOOK), {"course_run": course_run.pk, "users": list(users)})
        rows = cursor.fetchall()
    return {
        user: SeenStanding(
            _SeenGrade(*grade) if has_grade else None,
            _SeenCertificate(is_revoked) if has_certificate else None,
            has_paid,
            looked_at,
            stored_for,
            zero_for,
        )
        for user, is_revoked, has_grade, has_certificate, has_paid, stored_for, zero_for, *grade in rows
    }


def lock_standings(course_run: host.CourseRun, users: Collection[int]) -> dict[int, LockedStanding]:
    """Return how each of the users stands in the run; two statements, and one for certificates.

    Each caller locks grades, then enrollments, then certificates, each in the order of the users, so
    that two of them do not wait for each other.
    """
    looked_at = time.monotonic()
    standings = {user: LockedStanding(looked_at=looked_at) for user in users}
    which = {"course_run": course_run.pk, "users": list(standings)}
    for grade in host.read_rows("courses.CourseRunGrade", _LOCK_GRADES, which):
        standings[grade.user_id].grade = grade
        standings[grade.user_id].stored_for = grade.stored_for
    rest = set(users)
    with connection.cursor() as cursor:
        cursor.execute(host.sql(_LOCK_PAID_ENROLLMENTS), which)
        for user, is_certified, now in cursor.fetchall():
            standings[user].has_paid, standings[user].read_on = True, now
            if not is_certified:
                # One that comes now is refused by the unique constraint, and the learner judged again.
                rest.discard(user)
    if not rest:
        return standings
    reported_on = ZeroNote.objects.filter(certificate_uuid=OuterRef("uuid")).values("reported_on")
    certificates = host.certificates().filter(course_run=course_run, user__in=rest)
    with_notes = certificates.annotate(
        zero_reported_for=ExpressionWrapper(
            Now() - Subquery(reported_on), output_field=DurationField()
        )
    )
    for certificate in with_notes.select_for_update(of=("self",)).order_by("user_id"):
        standing = standings[certificate.user_id]
        standing.certificate, standing.has_paid = certificate, False
        standing.zero_reported_for = certificate.zero_reported_for
    return standings
