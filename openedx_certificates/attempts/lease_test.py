"""A worker on a request has a lease; several at once share the work, and none does it twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import CertificateOutcome, process_requests, request_certificate
from openedx_certificates.models import CertificateRequest
from openedx_certificates.settings import app_settings
from openedx_certificates.testing.factories import CertificateRequestFactory, CourseRunFactory
from openedx_certificates.testing.scenes import (
    FAILED,
    PASSED,
    Clock,
    Enrolls,
    at_once,
    in_thread,
    request_of,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 10


@pytest.fixture
def run(transactional_db: None) -> CourseRun:
    return CourseRunFactory.create()


@pytest.fixture
def dana(run: CourseRun, enrolled: Enrolls) -> User:
    """A learner with a passing grade and a request that is due."""
    dana = enrolled(run)
    CertificateRequestFactory.create(user=dana, course_run=run)
    return dana


def wait_until_joined(deliveries: int) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if CertificateRequest.objects.filter(deliveries=deliveries).exists():
            return
        # The rows of other threads: the database does not tell that one has changed.
        time.sleep(0.01)
    raise AssertionError("The events have not all joined.")


class TestTheLease:
    def test_passes_at_once_share_the_work_and_ask_for_each_request_once(
        self, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        requests = []
        for _ in range(12):
            run = CourseRunFactory.create()
            requests.append(CertificateRequestFactory.create(user=enrolled(run), course_run=run))

        summaries = at_once(*[process_requests] * 4)

        asked = [question.username for question in openedx.requests]
        assert sorted(asked) == sorted(request.user.edx_username for request in requests)
        assert sum(summary.settled["created"] for summary in summaries) == len(requests)
        assert CourseRunCertificate.objects.count() == len(requests)

    def test_passes_at_once_over_a_run_with_pages_share_it_and_ask_for_nobody_alone(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        learners = [enrolled(run) for _ in range(20)]
        for learner in learners:
            CertificateRequestFactory.create(user=learner, course_run=run)

        summaries = at_once(*[process_requests] * 4)

        assert {question.username for question in openedx.requests} == {None}
        assert sum(summary.settled["created"] for summary in summaries) == len(learners)
        assert set(CertificateRequest.objects.values_list("attempts", flat=True)) == {1}

    def test_what_somebody_works_on_is_nobody_elses(
        self, dana: User, run: CourseRun, openedx: SimulatedOpenEdx
    ):
        CertificateRequest.objects.update(
            lease=uuid4(), leased_until=timezone.now() + timedelta(seconds=60)
        )

        summary = process_requests(ignore_due=True)

        assert summary.taken_up == 0
        assert openedx.requests == []

    def test_a_lease_that_ran_out_is_taken_over(
        self, dana: User, run: CourseRun, openedx: SimulatedOpenEdx, clock: Clock, settings
    ):
        now = timezone.now()
        lease = timedelta(seconds=app_settings.REQUEST_LEASE)
        CertificateRequest.objects.update(lease=uuid4(), leased_until=now + lease, attempts=1)
        clock.move_to(now + lease - timedelta(seconds=1))
        assert process_requests().taken_up == 0

        clock.move_to(now + lease + timedelta(seconds=1))
        process_requests()

        assert request_of(dana, run).status == "created"
        assert openedx.request_count == 1

    @pytest.mark.parametrize("answer", ["failure", "not passed", "failure for three days"])
    def test_who_lost_it_has_nothing_more_to_say(
        self, answer: str, dana: User, run: CourseRun, openedx: SimulatedOpenEdx
    ):
        if answer == "failure for three days":
            long_ago = timezone.now() - timedelta(days=4)
            CertificateRequest.objects.update(failing_since=long_ago, last_delivered_on=long_ago)
        openedx.set_fault("hang")
        others = uuid4()

        with ThreadPoolExecutor(1) as executor:
            slow = executor.submit(in_thread(process_requests))
            openedx.wait_for_requests(1)
            CertificateRequest.objects.update(
                lease=others, leased_until=timezone.now() + timedelta(seconds=60)
            )
            before = CertificateRequest.objects.values().get()
            grade = FAILED if answer == "not passed" else {"computable": False}
            openedx.set_grade(run.courseware_id, dana.edx_username, **grade)
            openedx.clear_fault()
            slow.result()

        assert CertificateRequest.objects.values().get() == before

    def test_who_lost_it_and_finds_a_certificate_settles_all_the_same(
        self, dana: User, run: CourseRun, openedx: SimulatedOpenEdx
    ):
        openedx.set_fault("hang")

        with ThreadPoolExecutor(1) as executor:
            slow = executor.submit(in_thread(process_requests))
            openedx.wait_for_requests(1)
            CertificateRequest.objects.update(
                lease=uuid4(), leased_until=timezone.now() + timedelta(seconds=60)
            )
            openedx.clear_fault()
            slow.result()

        request = request_of(dana, run)
        assert (request.status, request.lease) == ("created", None)


class TestIdenticalEvents:
    def events(
        self, count: int, user: User, run: CourseRun, openedx: SimulatedOpenEdx, **grade: object
    ) -> list[CertificateOutcome | None]:
        """Deliver the event so many times at once, and let Open edX answer when all have come."""
        openedx.set_fault("hang")
        if grade:
            openedx.set_grade(run.courseware_id, user.edx_username, **grade)

        def answer() -> None:
            wait_until_joined(count)
            openedx.clear_fault()

        with ThreadPoolExecutor(1) as executor:
            answering = executor.submit(in_thread(answer))
            outcomes = at_once(*[lambda: request_certificate(user, run)] * count)
            answering.result()
        return outcomes

    def test_eight_at_once_are_one_question_and_one_certificate(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)

        outcomes = self.events(8, dana, run, openedx)

        assert sorted(outcomes) == ["created"] + ["exists"] * 7
        assert openedx.request_count == 1
        assert CourseRunCertificate.all_objects.count() == 1
        request = request_of(dana, run)
        assert (request.status, request.deliveries, request.attempts) == ("created", 8, 1)

    def test_not_passed_answers_the_first_alone_and_the_others_are_held(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)

        outcomes = self.events(8, dana, run, openedx, **FAILED)

        assert sorted(outcomes, key=str) == [None] * 7 + ["grade_not_passed"]
        assert openedx.request_count == 1
        assert request_of(dana, run).is_open
        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
        process_requests()
        assert request_of(dana, run).status == "created"

    def test_a_failure_defers_all_of_them(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)

        outcomes = self.events(8, dana, run, openedx, computable=False)

        assert outcomes == [None] * 8
        assert openedx.request_count == 1
        assert request_of(dana, run).is_open

    def test_those_who_wait_are_told_what_came_of_it_though_the_answer_takes_its_time(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        openedx.set_fault("delay:500")

        outcomes = at_once(*[lambda: request_certificate(dana, run)] * 4)

        assert sorted(outcomes) == ["created"] + ["exists"] * 3

    def test_the_background_mode_holds_them_without_a_question(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, settings
    ):
        settings.OPENEDX_CERTIFICATES_WEBHOOK_ASYNC = True
        dana = enrolled(run)

        outcomes = at_once(*[lambda: request_certificate(dana, run)] * 8)

        assert outcomes == [None] * 8
        assert openedx.requests == []
        assert request_of(dana, run).deliveries == 8
        process_requests()
        assert openedx.request_count == 1
        assert CourseRunCertificate.objects.get().user == dana
