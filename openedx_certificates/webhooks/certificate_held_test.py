"""A held request from event to event: joined, left to others, settled, and opened again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment
from openedx_certificates.models import CertificateRequest
from openedx_certificates.settings import app_settings
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    OpenEdxPauseFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import travel
from openedx_certificates.testing.webhooks import (
    NO_PAID_ENROLLMENT,
    NOT_PASSED,
    Tell,
    answered,
    database_failing_at,
    deferred,
    held,
    passes,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
Status = CertificateRequest.Status


class TestPause:
    def test_while_open_edx_is_down_an_event_is_held_without_a_question(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)
        OpenEdxPauseFactory.create()

        deferred(tell(dana, run))

        request = held()
        assert (request.deliveries, request.attempts, request.last_error) == (1, 0, "")
        assert openedx.request_count == 0

    def test_ten_failures_in_a_row_begin_the_pause(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        openedx.set_fault("500")
        for learner in UserFactory.create_batch(10):
            deferred(tell(learner, run))
        assert openedx.request_count == 10

        deferred(tell(dana, run))

        assert openedx.request_count == 10
        assert CertificateRequest.objects.get(user=dana).attempts == 0
        assert CertificateRequest.objects.filter(status=Status.OPEN).count() == 11

    def test_a_certificate_that_exists_is_answered_all_the_same(
        self, run: CourseRun, dana: User, tell: Tell
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run)
        OpenEdxPauseFactory.create()

        assert answered(tell(dana, run)) == {"certificate_status": "exists"}


class TestNotEligible:
    def test_not_passed_is_answered_and_asked_again_after_ten_seconds(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana, passed=False, percent=0.4)

        with travel(NOON):
            assert answered(tell(dana, run)) == NOT_PASSED

        request = held()
        assert request.reason == CertificateRequest.Reason.NOT_PASSED
        assert (request.attempts, request.not_passed_answers) == (1, 1)
        assert request.next_attempt_on == NOON + timedelta(seconds=10)

    def test_another_event_has_a_patience_of_its_own(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana, passed=False, percent=0.4)
        later = NOON + timedelta(hours=1)
        with travel(NOON):
            tell(dana, run)

        with travel(later):
            assert answered(tell(dana, run)) == NOT_PASSED

        request = held()
        assert (request.deliveries, request.attempts, request.not_passed_answers) == (2, 2, 1)
        assert request.next_attempt_on == later + timedelta(seconds=10)

    def test_an_upgrade_and_a_new_event_start_a_new_request(
        self, run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        auditor = CourseRunEnrollmentFactory.create(run=run, enrollment_mode="audit").user
        passes(openedx, run, auditor)

        assert answered(tell(auditor, run)) == NO_PAID_ENROLLMENT

        first = CertificateRequest.objects.get()
        assert (first.status, first.reason) == (Status.NOT_ELIGIBLE, "no_paid_enrollment")
        assert first.settled_on is not None

        CourseRunEnrollment.objects.update(enrollment_mode="verified")

        assert answered(tell(auditor, run)) == {"certificate_status": "created"}
        second = CertificateRequest.objects.exclude(pk=first.pk).get()
        assert (second.status, second.deliveries, second.attempts) == (Status.CREATED, 1, 1)
        first.refresh_from_db()
        assert (first.status, first.deliveries) == (Status.NOT_ELIGIBLE, 1)


def test_an_event_after_a_request_was_given_up_opens_a_new_one(
    run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
):
    given_up = CertificateRequestFactory.create(
        user=dana, course_run=run, status=Status.FAILED, settled_on=NOON
    )
    passes(openedx, run, dana)

    assert answered(tell(dana, run)) == {"certificate_status": "created"}

    assert CertificateRequest.objects.exclude(pk=given_up.pk).get().status == Status.CREATED
    given_up.refresh_from_db()
    assert (given_up.status, given_up.settled_on) == (Status.FAILED, NOON)


class TestSomebodyElseIsAtWork:
    def test_an_event_that_waited_in_vain_for_another_is_deferred(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell, settings
    ):
        settings.OPENEDX_CERTIFICATES_TIMEOUT = 0.3
        passes(openedx, run, dana)
        request = leased(dana, run, until=timezone.now() + timedelta(minutes=1))

        deferred(tell(dana, run))

        lease = request.lease
        request.refresh_from_db()
        assert (request.status, request.deliveries, request.attempts) == (Status.OPEN, 2, 0)
        assert request.lease == lease
        assert openedx.request_count == 0

    def test_whose_lease_has_run_out_has_nothing_more_to_say(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)
        request = leased(dana, run, until=timezone.now() - timedelta(seconds=1))

        assert answered(tell(dana, run)) == {"certificate_status": "created"}

        request.refresh_from_db()
        assert (request.status, request.deliveries, request.attempts) == (Status.CREATED, 2, 1)

    def test_who_looked_just_before_the_other_was_done_does_not_ask_again(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)

        with certificate_coming_between_look_and_hold(dana, run):
            response = tell(dana, run)

        assert answered(response) == {"certificate_status": "exists"}
        assert openedx.request_count == 0
        assert not CertificateRequest.objects.filter(status=Status.OPEN).exists()


@contextmanager
def certificate_coming_between_look_and_hold(user: User, run: CourseRun) -> Iterator[None]:
    """Let another event's certificate be committed once it is not looked for any more."""

    def issue_first(execute, sql, *rest):
        is_held = "INSERT INTO openedx_certificates_certificaterequest" in sql
        if is_held and not CourseRunCertificate.objects.filter(user=user).exists():
            CourseRunCertificateFactory.create(user=user, course_run=run)
        return execute(sql, *rest)

    with connection.execute_wrapper(issue_first):
        yield


def leased(user: User, run: CourseRun, *, until: datetime) -> CertificateRequest:
    return CertificateRequestFactory.create(
        user=user, course_run=run, lease=uuid4(), leased_until=until
    )


class TestDatabaseFails:
    def test_before_the_request_is_held_nothing_is_promised(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)

        with database_failing_at("openedx_certificates_certificaterequest"):
            response = tell(dana, run)

        assert response.status_code == 503
        assert not CertificateRequest.objects.exists()
        assert openedx.request_count == 0

    def test_after_it_is_held_the_lease_frees_it(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell, settings
    ):
        passes(openedx, run, dana)

        with database_failing_at('INTO "courses_courserungrade"'):
            response = tell(dana, run)

        assert response.status_code == 503
        assert CertificateRequest.objects.get().status == Status.OPEN

        when_free = timezone.now() + timedelta(seconds=app_settings.REQUEST_LEASE)
        with travel(when_free, tick=True):
            assert answered(tell(dana, run)) == {"certificate_status": "created"}
        assert CertificateRequest.objects.get().status == Status.CREATED


def test_an_error_of_ours_is_no_affair_of_the_senders(
    run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell, settings
):
    passes(openedx, run, dana)
    patience = app_settings.TIMEOUT
    settings.OPENEDX_CERTIFICATES_TIMEOUT = "soon"

    deferred(tell(dana, run))

    request = CertificateRequest.objects.get()
    assert (request.status, request.last_error, request.lease) == (Status.OPEN, "internal", None)
    settings.OPENEDX_CERTIFICATES_TIMEOUT = patience
    assert answered(tell(dana, run)) == {"certificate_status": "created"}
