"""What the address of a certificate tells of it."""

from dataclasses import dataclass
from datetime import UTC, date
from enum import StrEnum
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from courses.models import CourseRunCertificate
from openedx_certificates.api import get_public_name, was_deleted


class Absence(StrEnum):
    """Why there is no certificate to show."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class PublishedCertificate:
    """A valid certificate, without anything about the learner but the name.

    `learner_name` is empty if the learner has none that can be seen; the user name, which can be an
    e-mail address, never takes its place.
    """

    uuid: UUID
    link: str
    learner_name: str
    course_title: str
    readable_id: str
    run_title: str
    course_id: str
    issue_date: date


def find_published_certificate(uuid: UUID) -> PublishedCertificate | Absence:
    """Return the certificate as everybody may see it, or why it can't be seen.

    One that an administrator has revoked and one that a grade of 0.0 has deleted are the same to
    others: they see that it does not hold, and not why. One that is not
    issued yet is unknown.
    """
    certificate = (
        CourseRunCertificate.all_objects.filter(uuid=uuid)
        .select_related("user", "course_run__course")
        .annotate(is_issued=Q(issue_date__lte=Now()))
        .only(
            *("uuid", "is_revoked", "issue_date", "user__name"),
            *("course_run__title", "course_run__courseware_id"),
            *("course_run__course__title", "course_run__course__readable_id"),
        )
        .first()
    )
    if certificate is None:
        return Absence.REVOKED if was_deleted(uuid) else Absence.UNKNOWN
    if certificate.is_revoked:
        return Absence.REVOKED
    if certificate.issue_date is None or not certificate.is_issued:
        return Absence.UNKNOWN
    run, course = certificate.course_run, certificate.course_run.course
    return PublishedCertificate(
        uuid=certificate.uuid,
        link=certificate.link,
        learner_name=get_public_name(certificate.user.name),
        course_title=course.title,
        readable_id=course.readable_id,
        run_title=run.title,
        course_id=run.courseware_id,
        issue_date=timezone.localdate(certificate.issue_date, UTC),
    )
