"""How learners stand in a run: read for a whole page of them at once, at a glance or under a lock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment, CourseRunGrade
from openedx.constants import EDX_ENROLLMENTS_PAID_MODES

# One statement with an array for the page: three of the ORM's, each with a parameter for each learner,
# cost nearly as much as all the rest of a page in which nothing has changed.
_LOOK = """
SELECT
    learner.user_id,
    grade.id IS NOT NULL,
    certificate.id IS NOT NULL,
    certificate.id IS NULL AND EXISTS (
        SELECT FROM courses_courserunenrollment AS enrollment
        JOIN users_user AS account ON account.id = enrollment.user_id AND account.is_active
        WHERE enrollment.user_id = learner.user_id
        AND enrollment.run_id = %(course_run)s
        AND enrollment.active
        AND enrollment.enrollment_mode = ANY(%(paid_modes)s)
    ),
    grade.grade, grade.passed, grade.letter_grade, grade.set_by_admin,
    statement_timestamp() - certificate.zero_reported_on,
    certificate.is_revoked
FROM unnest(%(users)s::bigint[]) AS learner (user_id)
LEFT JOIN courses_courserungrade AS grade
    ON grade.user_id = learner.user_id AND grade.course_run_id = %(course_run)s
LEFT JOIN courses_courseruncertificate AS certificate
    ON certificate.user_id = learner.user_id AND certificate.course_run_id = %(course_run)s
"""


class StoredGrade(Protocol):
    """What the rules ask of a stored grade."""

    @property
    def grade(self) -> float: ...
    @property
    def passed(self) -> bool: ...
    @property
    def letter_grade(self) -> str | None: ...
    @property
    def set_by_admin(self) -> bool: ...


class StoredCertificate(Protocol):
    """What the rules ask of a certificate, revoked or not."""

    @property
    def is_revoked(self) -> bool: ...


class Standing(Protocol):
    """How a learner stands in a run."""

    @property
    def grade(self) -> StoredGrade | None: ...
    @property
    def certificate(self) -> StoredCertificate | None: ...
    @property
    def has_paid(self) -> bool:
        """Whether an active user has an active, paid enrollment.

        It is not asked if there is a certificate: that one needs no enrollment any more.
        """

    @property
    def zero_reported_for(self) -> timedelta | None:
        """How long ago Open edX first reported a 0.0 that is not acted on, by the database's clock.

        None if it did not; negative if the note of it is from the future.
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
    zero_reported_for: timedelta | None = None


@dataclass(slots=True)
class LockedStanding:
    """A standing that nobody else changes before the transaction ends; the rows can be written."""

    grade: CourseRunGrade | None = None
    certificate: CourseRunCertificate | None = None
    has_paid: bool = False
    zero_reported_for: timedelta | None = None


def look_at_standings(course_run: CourseRun, users: Collection[int]) -> dict[int, SeenStanding]:
    """Return how each of the users stands in the run; one statement, and nothing is locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LOOK,
            {
                "course_run": course_run.pk,
                "users": list(users),
                "paid_modes": EDX_ENROLLMENTS_PAID_MODES,
            },
        )
        rows = cursor.fetchall()
    return {
        user: SeenStanding(
            _SeenGrade(*grade) if has_grade else None,
            _SeenCertificate(is_revoked) if has_certificate else None,
            has_paid,
            zero_reported_for,
        )
        for user, has_grade, has_certificate, has_paid, *grade, zero_reported_for, is_revoked in rows
    }


def lock_standings(course_run: CourseRun, users: Collection[int]) -> dict[int, LockedStanding]:
    """Return how each of the users stands in the run; three statements.

    Whoever locks several locks grades, then certificates, then enrollments, each in the order of
    the users: two who do so don't wait for each other.
    """
    standings = {user: LockedStanding() for user in users}
    grades = CourseRunGrade.objects.filter(course_run=course_run, user__in=standings)
    for grade in grades.select_for_update(of=("self",)).order_by("user_id"):
        standings[grade.user_id].grade = grade
    certificates = CourseRunCertificate.all_objects.filter(
        course_run=course_run, user__in=standings
    ).annotate(
        zero_reported_for=ExpressionWrapper(
            Now() - F("zero_reported_on"), output_field=DurationField()
        )
    )
    for certificate in certificates.select_for_update(of=("self",)).order_by("user_id"):
        standing = standings[certificate.user_id]
        standing.certificate = certificate
        standing.zero_reported_for = certificate.zero_reported_for
    without = [user for user, standing in standings.items() if standing.certificate is None]
    if without:
        # Locked too: who pays back at this moment comes after the certificate, or before it.
        enrollments = CourseRunEnrollment.objects.paid().filter(run=course_run, user__in=without)
        locked = enrollments.select_for_update(of=("self",), no_key=True).order_by("user_id")
        for user in locked.values_list("user_id", flat=True):
            standings[user].has_paid = True
    return standings
