"""Makers of test rows."""

from datetime import UTC, datetime, timedelta

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from courses.models import (
    Course,
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
    CourseRunEnrollmentAudit,
    CourseRunGrade,
    CourseRunGradeAudit,
)
from openedx.constants import EDX_ENROLLMENT_VERIFIED_MODE
from users.factories import UserFactory


class CourseFactory(DjangoModelFactory):
    """A course in the catalogue."""

    title = factory.Sequence(lambda n: f"Introduction to the number {n}")
    readable_id = factory.Sequence(lambda n: f"course-v1:MITx+{n}x")
    live = True

    class Meta:
        model = Course

    class Params:
        # MITx Online's factory makes the course's page, unless it is told not to.
        page = None


class CourseRunFactory(DjangoModelFactory):
    """A live, instructor-paced run with certificates due since yesterday."""

    course = factory.SubFactory(CourseFactory)
    title = factory.LazyAttribute(lambda run: run.course.title)
    run_tag = factory.Sequence(lambda n: f"{n}T2026")
    courseware_id = factory.LazyAttribute(lambda run: f"{run.course.readable_id}+{run.run_tag}")
    start_date = datetime(2026, 1, 5, tzinfo=UTC)
    certificate_available_date = factory.LazyFunction(lambda: timezone.now() - timedelta(days=1))
    live = True
    is_self_paced = False

    class Meta:
        model = CourseRun

    class Params:
        self_paced = factory.Trait(is_self_paced=True, certificate_available_date=None)


class CourseRunEnrollmentFactory(DjangoModelFactory):
    """An active, paid enrollment."""

    user = factory.SubFactory(UserFactory)
    run = factory.SubFactory(CourseRunFactory)
    enrollment_mode = EDX_ENROLLMENT_VERIFIED_MODE
    active = True
    edx_enrolled = True

    class Meta:
        model = CourseRunEnrollment


class CourseRunEnrollmentAuditFactory(DjangoModelFactory):
    """A change of an enrollment."""

    enrollment = factory.SubFactory(CourseRunEnrollmentFactory)
    data_before = factory.Dict({"active": False})
    data_after = factory.Dict({"active": True})

    class Meta:
        model = CourseRunEnrollmentAudit


class CourseRunGradeFactory(DjangoModelFactory):
    """A passing grade."""

    user = factory.SubFactory(UserFactory)
    course_run = factory.SubFactory(CourseRunFactory)
    grade = 0.85
    letter_grade = "B"
    passed = True
    set_by_admin = False

    class Meta:
        model = CourseRunGrade


class CourseRunGradeAuditFactory(DjangoModelFactory):
    """A change of a grade."""

    course_run_grade = factory.SubFactory(CourseRunGradeFactory)
    data_before = factory.Dict({"grade": 0.4})
    data_after = factory.Dict({"grade": 0.85})

    class Meta:
        model = CourseRunGradeAudit


class CourseRunCertificateFactory(DjangoModelFactory):
    """A valid certificate."""

    user = factory.SubFactory(UserFactory)
    course_run = factory.SubFactory(CourseRunFactory)
    issue_date = factory.LazyFunction(timezone.now)

    class Meta:
        model = CourseRunCertificate
