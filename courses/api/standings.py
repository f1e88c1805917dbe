"""How learners stand in a run: read for a whole page of them at once, at a glance or under a lock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment, CourseRunGrade


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
    @property
    def zero_reported_on(self) -> datetime | None: ...


class Standing(Protocol):
    """How a learner stands in a run."""

    @property
    def grade(self) -> StoredGrade | None: ...
    @property
    def certificate(self) -> StoredCertificate | None: ...
    @property
    def has_paid(self) -> bool:
        """Whether there is an active, paid enrollment; not known where there is a certificate.

        That one needs none any more.
        """


class _SeenGrade(NamedTuple):
    grade: float
    passed: bool
    letter_grade: str | None
    set_by_admin: bool


class _SeenCertificate(NamedTuple):
    is_revoked: bool
    zero_reported_on: datetime | None


@dataclass(slots=True)
class SeenStanding:
    """A standing as it was a moment ago: values, since rows for a whole page cost too much."""

    grade: _SeenGrade | None = None
    certificate: _SeenCertificate | None = None
    has_paid: bool = False


@dataclass(slots=True)
class LockedStanding:
    """A standing that nobody else changes before the transaction ends; the rows can be written."""

    grade: CourseRunGrade | None = None
    certificate: CourseRunCertificate | None = None
    has_paid: bool = False


def look_at_standings(course_run: CourseRun, users: Collection[int]) -> dict[int, SeenStanding]:
    """Return how each of the users stands in the run; three statements, and nothing is locked."""
    standings = {user: SeenStanding() for user in users}
    grades = CourseRunGrade.objects.filter(course_run=course_run, user__in=standings)
    for user, *values in grades.values_list("user_id", *_SeenGrade._fields):
        standings[user].grade = _SeenGrade(*values)
    certificates = CourseRunCertificate.all_objects.filter(
        course_run=course_run, user__in=standings
    )
    for user, *values in certificates.values_list("user_id", *_SeenCertificate._fields):
        standings[user].certificate = _SeenCertificate(*values)
    for user in _who_has_paid(course_run, standings):
        standings[user].has_paid = True
    return standings


def lock_standings(course_run: CourseRun, users: Collection[int]) -> dict[int, LockedStanding]:
    """Return how each of the users stands in the run; three statements.

    Whoever locks grades and certificates locks the grades first, and each in the order of the
    users: two who do so don't wait for each other.
    """
    standings = {user: LockedStanding() for user in users}
    grades = CourseRunGrade.objects.filter(course_run=course_run, user__in=standings)
    for grade in grades.select_for_update(of=("self",)).order_by("user_id"):
        standings[grade.user_id].grade = grade
    certificates = CourseRunCertificate.all_objects.filter(
        course_run=course_run, user__in=standings
    )
    for certificate in certificates.select_for_update(of=("self",)).order_by("user_id"):
        standings[certificate.user_id].certificate = certificate
    for user in _who_has_paid(course_run, standings):
        standings[user].has_paid = True
    return standings


def _who_has_paid(
    course_run: CourseRun, standings: dict[int, SeenStanding] | dict[int, LockedStanding]
) -> Collection[int]:
    without = [user for user, standing in standings.items() if standing.certificate is None]
    if not without:
        return []
    paid = CourseRunEnrollment.objects.paid().filter(run=course_run, user__in=without)
    return paid.values_list("user_id", flat=True)
