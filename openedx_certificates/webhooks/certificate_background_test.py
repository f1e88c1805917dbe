"""The certificate webhook if a worker does the asking: it holds the event and answers at once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import process_requests
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
)
from openedx_certificates.testing.webhooks import (
    Tell,
    answered,
    database_failing_at,
    deferred,
    passes,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

Status = CertificateRequest.Status


@pytest.fixture(autouse=True)
def in_the_background(settings) -> None:
    settings.OPENEDX_CERTIFICATES_WEBHOOK_ASYNC = True


def test_an_event_is_held_for_a_worker_and_open_edx_is_not_asked(
    run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
):
    passes(openedx, run, dana)

    deferred(tell(dana, run))

    request = CertificateRequest.objects.get(user=dana, course_run=run)
    assert (request.status, request.deliveries, request.attempts) == (Status.OPEN, 1, 0)
    assert (request.lease, request.leased_until) == (None, None)
    assert request.next_attempt_on <= timezone.now()
    assert openedx.request_count == 0


def test_events_that_come_again_are_one_question_of_the_worker(
    run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
):
    passes(openedx, run, dana)
    for _ in range(3):
        deferred(tell(dana, run))

    process_requests()

    request = CertificateRequest.objects.get()
    assert (request.status, request.deliveries, request.attempts) == (Status.CREATED, 3, 1)
    assert CourseRunCertificate.objects.get().user == dana
    assert openedx.request_count == 1
    assert answered(tell(dana, run)) == {"certificate_status": "exists"}


def test_an_event_leaves_the_worker_that_is_at_it_alone(
    run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
):
    taken_up = CertificateRequestFactory.create(
        user=dana,
        course_run=run,
        lease=uuid4(),
        leased_until=timezone.now() + timedelta(minutes=1),
    )

    deferred(tell(dana, run))

    request = CertificateRequest.objects.get()
    assert (request.pk, request.status, request.deliveries) == (taken_up.pk, Status.OPEN, 2)
    assert (request.lease, request.leased_until) == (taken_up.lease, taken_up.leased_until)


@pytest.mark.parametrize(
    ("is_revoked", "status"), [(False, "exists"), (True, "revoked")], ids=["exists", "revoked"]
)
def test_a_certificate_that_is_there_is_answered_at_once(
    is_revoked: bool,
    status: str,
    run: CourseRun,
    dana: User,
    openedx: SimulatedOpenEdx,
    tell: Tell,
):
    CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=is_revoked)

    assert answered(tell(dana, run)) == {"certificate_status": status}

    assert not CertificateRequest.objects.exists()
    assert openedx.request_count == 0


def test_the_worker_decides_who_is_eligible(run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell):
    auditor = CourseRunEnrollmentFactory.create(run=run, enrollment_mode="audit").user
    passes(openedx, run, auditor)
    deferred(tell(auditor, run))

    process_requests()

    request = CertificateRequest.objects.get()
    assert (request.status, request.reason) == (Status.NOT_ELIGIBLE, "no_paid_enrollment")
    assert not CourseRunCertificate.all_objects.exists()


def test_holding_an_event_takes_10_statements_or_fewer(run: CourseRun, dana: User, tell: Tell):
    with CaptureQueriesContext(connection) as statements:
        response = tell(dana, run)

    deferred(response)
    assert len(statements) <= 10, [query["sql"] for query in statements.captured_queries]


def test_where_the_event_can_not_be_held_nothing_is_promised(
    run: CourseRun, dana: User, tell: Tell
):
    with database_failing_at("openedx_certificates_certificaterequest"):
        response = tell(dana, run)

    assert response.status_code == 503
    assert not CertificateRequest.objects.exists()
