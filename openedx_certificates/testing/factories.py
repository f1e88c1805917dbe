"""Makers of rows of the app, over the host's own factories."""

from datetime import timedelta

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from courses.factories import CourseRunFactory
from openedx_certificates.models import (
    CertificateRequest,
    CourseRunCertificateDeletion,
    CourseRunSweep,
    OpenEdxPause,
    ZeroNote,
)
from users.factories import UserFactory


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
