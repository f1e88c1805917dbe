"""Open edX says "not passed" to a held request: asked again, since the event came too early.

The LMS sends the event inside the transaction of the grade. What another event tells of is not
answered by a question that was asked before it.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment
from openedx_certificates.api import CertificateOutcome, process_requests, request_certificate
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import CertificateRequestFactory
from openedx_certificates.testing.scenes import (
    FAILED,
    PASSED,
    Clock,
    Enrolls,
    in_thread,
    request_of,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

MOMENT = timedelta(milliseconds=1)


def passes_until(seconds: float, clock: Clock) -> None:
    """Make a pass every five seconds, for so long."""
    ends = timezone.now() + timedelta(seconds=seconds)
    while timezone.now() < ends:
        clock.shift(timedelta(seconds=5))
        process_requests()


class TestPatience:
    def test_it_is_asked_at_0_10_70_and_670_seconds_and_then_it_is_the_truth(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run, **FAILED)
        begin = timezone.now()
        asked = [0]

        assert request_certificate(dana, run) is CertificateOutcome.NOT_PASSED
        while (request := request_of(dana, run)).is_open:
            assert request.reason == "grade_not_passed"
            clock.move_to(request.next_attempt_on - MOMENT)
            assert process_requests().taken_up == 0
            clock.shift(2 * MOMENT)
            process_requests()
            asked.append(round((timezone.now() - begin).total_seconds()))

        assert asked == [0, 10, 70, 670]
        assert openedx.request_count == 4
        assert (request.status, request.reason) == ("not_eligible", "grade_not_passed")
        assert request.settled_on == timezone.now()
        assert not CourseRunCertificate.all_objects.exists()

    @pytest.mark.parametrize("seconds", [5, 30, 300])
    def test_a_grade_that_turns_to_passed_meanwhile_earns_the_certificate(
        self,
        seconds: int,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        clock: Clock,
    ):
        dana = enrolled(run, **FAILED)
        request_certificate(dana, run)
        passes_until(seconds, clock)

        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
        passes_until(670 - seconds + 5, clock)

        assert request_of(dana, run).status == "created"
        assert CourseRunCertificate.objects.get().user == dana

    def test_an_event_that_joins_starts_the_patience_anew(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run, **FAILED)
        request_certificate(dana, run)
        passes_until(600, clock)

        assert request_certificate(dana, run) is CertificateOutcome.NOT_PASSED

        request = request_of(dana, run)
        assert (request.deliveries, request.not_passed_answers) == (2, 1)
        passes_until(660, clock)
        assert request_of(dana, run).is_open
        passes_until(20, clock)
        assert request_of(dana, run).status == "not_eligible"
        assert openedx.request_count == 3 + 4

    def test_an_event_after_the_end_is_a_new_request(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run, **FAILED)
        request_certificate(dana, run)
        passes_until(680, clock)
        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)

        assert request_certificate(dana, run) is CertificateOutcome.CREATED

        requests = CertificateRequest.objects.order_by("pk")
        assert [request.status for request in requests] == ["not_eligible", "created"]

    def test_a_failure_in_between_is_no_answer(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run, **FAILED)
        request_certificate(dana, run)
        openedx.set_fault("500")
        passes_until(670, clock)
        assert request_of(dana, run).is_open
        assert request_of(dana, run).not_passed_answers == 1

        openedx.clear_fault()
        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
        clock.shift(timedelta(hours=1))
        process_requests()

        assert request_of(dana, run).status == "created"


class TestNoPaidEnrollment:
    def test_it_is_settled_at_once(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run, mode="audit")

        assert request_certificate(dana, run) is CertificateOutcome.NO_PAID_ENROLLMENT

        request = request_of(dana, run)
        assert (request.status, request.reason) == ("not_eligible", "no_paid_enrollment")
        assert openedx.request_count == 1

    def test_a_held_request_of_an_account_that_was_given_up_meanwhile_ends_like_it(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)
        User.objects.filter(pk=dana.pk).update(is_active=False)

        process_requests()

        request = request_of(dana, run)
        assert (request.status, request.reason) == ("not_eligible", "no_paid_enrollment")
        assert not CourseRunCertificate.all_objects.exists()

    def test_an_event_after_an_upgrade_is_a_new_request(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run, mode="audit")
        request_certificate(dana, run)
        CourseRunEnrollment.objects.filter(user=dana).update(enrollment_mode="verified")

        assert request_certificate(dana, run) is CertificateOutcome.CREATED

        requests = CertificateRequest.objects.order_by("pk")
        assert [request.status for request in requests] == ["not_eligible", "created"]


@pytest.mark.django_db(transaction=True)
class TestAnEventThatComesWhileOpenEdxIsAsked:
    def joins(self, user: User, run: CourseRun, openedx: SimulatedOpenEdx, settings) -> None:
        """Let another event join while a pass asks for the first one's request."""
        openedx.set_fault("hang")
        with ThreadPoolExecutor(1) as executor:
            one_pass = executor.submit(in_thread(process_requests))
            openedx.wait_for_requests(1)
            settings.OPENEDX_CERTIFICATES_WEBHOOK_ASYNC = True
            assert request_certificate(user, run) is None
            openedx.clear_fault()
            one_pass.result()

    def is_open_and_due(self, user: User, run: CourseRun) -> bool:
        request = request_of(user, run)
        assert (request.deliveries, request.not_passed_answers) == (2, 0)
        assert request.lease is None
        return request.is_open and request.next_attempt_on <= timezone.now()

    @pytest.mark.parametrize("answers", [0, 3])
    def test_not_passed_was_not_its_answer(
        self,
        answers: int,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        settings,
    ):
        dana = enrolled(run, **FAILED)
        CertificateRequestFactory.create(user=dana, course_run=run, not_passed_answers=answers)

        self.joins(dana, run, openedx, settings)

        assert self.is_open_and_due(dana, run)
        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
        process_requests()
        assert request_of(dana, run).status == "created"

    def test_no_paid_enrollment_was_not_its_answer(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, settings
    ):
        dana = enrolled(run, mode="audit")
        CertificateRequestFactory.create(user=dana, course_run=run)

        self.joins(dana, run, openedx, settings)

        assert self.is_open_and_due(dana, run)
        CourseRunEnrollment.objects.filter(user=dana).update(enrollment_mode="verified")
        process_requests()
        assert request_of(dana, run).status == "created"

    def test_a_certificate_is_its_answer_too(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, settings
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)

        self.joins(dana, run, openedx, settings)

        request = request_of(dana, run)
        assert (request.status, request.deliveries) == ("created", 2)
        assert openedx.request_count == 1

    def test_three_days_of_failures_were_not_its_own(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, settings
    ):
        dana = enrolled(run, computable=False)
        long_ago = timezone.now() - timedelta(days=4)
        CertificateRequestFactory.create(
            user=dana, course_run=run, failing_since=long_ago, last_delivered_on=long_ago
        )

        self.joins(dana, run, openedx, settings)

        assert request_of(dana, run).is_open
        assert request_of(dana, run).lease is None
