"""Makers of rows of the app; and of the host's, over its own factories, with what our tests lean on."""

from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from courses import factories as courses_factories
from openedx.constants import EDX_ENROLLMENT_VERIFIED_MODE
from openedx_certificates.models import (
    CertificateRequest,
    CourseRunCertificateDeletion,
    CourseRunSweep,
    OpenEdxPause,
    ZeroNote,
)
from users import factories as users_factories
from users.models import User


class UserFactory(users_factories.UserFactory):
    """A learner, with a name that no search for another's finds by chance."""

    username = factory.Sequence(lambda n: f"learner-{n}")
    email = factory.Sequence(lambda n: f"learner-{n}@example.com")
    name = factory.Sequence(lambda n: f"Robin Number-{n}")

    @classmethod
    def _after_postgeneration(cls, instance: User, create: bool, results: Any = None) -> None:
        super()._after_postgeneration(instance, create, results)
        # MITx Online's user remembers which account was there while it was saved: none.
        vars(instance).pop("openedx_user", None)


class CourseRunFactory(courses_factories.CourseRunFactory):
    """A live, instructor-paced run with certificates due since yesterday."""

    # Without the pages of MITx Online's site, which no test of ours reads.
    course = factory.SubFactory(courses_factories.CourseFactory, page=None)
    live = True
    is_self_paced = False
    certificate_available_date = factory.LazyFunction(lambda: timezone.now() - timedelta(days=1))

    class Params:
        self_paced = factory.Trait(is_self_paced=True, certificate_available_date=None)


class CourseRunEnrollmentFactory(courses_factories.CourseRunEnrollmentFactory):
    """An active, paid enrollment."""

    user = factory.SubFactory(UserFactory)
    run = factory.SubFactory(CourseRunFactory)
    enrollment_mode = EDX_ENROLLMENT_VERIFIED_MODE
    active = True
    edx_enrolled = True


class CourseRunGradeFactory(courses_factories.CourseRunGradeFactory):
    """A passing grade."""

    user = factory.SubFactory(UserFactory)
    course_run = factory.SubFactory(CourseRunFactory)
    grade = 0.85
    letter_grade = "B"
    passed = True
    set_by_admin = False


class CourseRunCertificateFactory(courses_factories.CourseRunCertificateFactory):
    """A valid certificate."""

    user = factory.SubFactory(UserFactory)
    course_run = factory.SubFactory(CourseRunFactory)
    issue_date = factory.LazyFunction(timezone.now)


class CourseRunCertificateDeletionFactory(DjangoModelFactory):
    """The record of a deleted certificate."""

    user = factory.SubFactory(UserFactory)
    course_run = factory.SubFactory(CourseRunFactory)
    certificate_uuid = factory.Faker("uuid4", cast_to=None)
    certificate = factory.Dict({})
    grade = factory.Dict({})
    reason = "grade of 0.0"

    class Meta:
        model = CourseRunCertificateDeletion


class CertificateRequestFactory(DjangoModelFactory):
    """An open request, due now."""

    user = factory.SubFactory(UserFactory)
    course_run = factory.SubFactory(CourseRunFactory)
    status = CertificateRequest.Status.OPEN
    last_delivered_on = factory.LazyFunction(timezone.now)
    next_attempt_on = factory.LazyFunction(timezone.now)

    class Meta:
        model = CertificateRequest


class OpenEdxPauseFactory(DjangoModelFactory):
    """A pause that began a moment ago; its next probe is not due yet."""

    id = OpenEdxPause.THE_ROW
    failures = 10
    since = factory.LazyFunction(timezone.now)
    next_probe_on = factory.LazyFunction(lambda: timezone.now() + timedelta(seconds=10))

    class Meta:
        model = OpenEdxPause


class CourseRunSweepFactory(DjangoModelFactory):
    """A sweep of a minute ago, which found three learners and nothing new."""

    course_run = factory.SubFactory(CourseRunFactory)
    started_on = factory.LazyFunction(lambda: timezone.now() - timedelta(minutes=1))
    finished_on = factory.LazyAttribute(lambda sweep: sweep.started_on + timedelta(seconds=2))
    pages = 1
    learners = 3

    class Meta:
        model = CourseRunSweep


class ZeroNoteFactory(DjangoModelFactory):
    """A 0.0 that Open edX has reported for a certificate just now."""

    certificate_uuid = factory.Faker("uuid4", cast_to=None)
    reported_on = factory.LazyFunction(timezone.now)

    class Meta:
        model = ZeroNote
