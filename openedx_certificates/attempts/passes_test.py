"""A pass over the held requests: what it takes up, what it reports, and what does not stop it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun
from openedx_certificates.api import count_requests, process_requests
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import CertificateRequestFactory
from openedx_certificates.testing.scenes import FAILED, Clock, Enrolls, request_of
from openedx_certificates.testing.tables import refuse_grades_of
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def learners(run: CourseRun, enrolled: Enrolls, clock: Clock) -> list[User]:
    """Four learners with a passing grade: two with requests that are due, two with later ones."""
    learners = [enrolled(run) for _ in range(4)]
    for learner, hours in zip(learners, (-2, -1, 1, 2), strict=True):
        CertificateRequestFactory.create(
            user=learner, course_run=run, next_attempt_on=timezone.now() + hours * HOUR
        )
    return learners


def settled(learners: list[User], run: CourseRun) -> list[bool]:
    return [not request_of(learner, run).is_open for learner in learners]


class TestWhatItTakesUp:
    def test_what_is_due_the_longest_due_first(
        self, learners: list[User], run: CourseRun, openedx: SimulatedOpenEdx
    ):
        process_requests()

        assert settled(learners, run) == [True, True, False, False]
        asked = [question.username for question in openedx.requests]
        assert asked == [learner.edx_username for learner in learners[:2]]

    def test_all_that_is_open_where_due_times_are_ignored(
        self, learners: list[User], run: CourseRun
    ):
        process_requests(ignore_due=True)

        assert settled(learners, run) == [True] * 4

    def test_only_the_requests_that_are_named(self, learners: list[User], run: CourseRun):
        process_requests(CertificateRequest.objects.filter(user=learners[1]))

        assert settled(learners, run) == [False, True, False, False]

    def test_nothing_more_once_it_is_told_to_end(
        self, learners: list[User], run: CourseRun, openedx: SimulatedOpenEdx
    ):
        summary = process_requests(is_over=lambda: openedx.request_count == 1)

        assert summary.taken_up == 1
        assert settled(learners, run) == [True, False, False, False]

    def test_what_is_counted_beforehand(self, learners: list[User], run: CourseRun):
        one = CertificateRequest.objects.filter(user=learners[0])

        assert count_requests() == 2
        assert count_requests(ignore_due=True) == 4
        assert count_requests(one) == 1

    def test_each_once_though_it_is_due_again_at_once(
        self, learners: list[User], run: CourseRun, openedx: SimulatedOpenEdx, settings
    ):
        settings.OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS = [0.0, 0.0]
        openedx.set_grade(run.courseware_id, learners[0].edx_username, **FAILED)

        process_requests()

        assert openedx.request_count == 2


class TestWhatItReports:
    def test_how_each_was_settled_and_how_many_wait(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        odd = enrolled(run)
        openedx.set_fault(Fault.parse("404", on=f"username:{odd.edx_username}"))
        for learner in (enrolled(run), enrolled(run, **FAILED), enrolled(run, mode="audit"), odd):
            CertificateRequestFactory.create(user=learner, course_run=run)
        seen = []

        summary = process_requests(report=lambda summary: seen.append(summary.taken_up))

        assert seen == [1, 2, 3, 4]
        assert summary.as_dict() == {
            "taken_up": 4,
            "settled_created": 1,
            "settled_exists": 0,
            "settled_revoked": 0,
            "settled_not_eligible": 1,
            "settled_failed": 0,
            "waiting": 1,
            "deferred": 1,
        }


class TestWhatDoesNotStopIt:
    def test_a_learner_whom_the_database_does_not_take(
        self, learners: list[User], run: CourseRun, caplog: pytest.LogCaptureFixture
    ):
        refuse_grades_of(learners[0])

        summary = process_requests()

        assert settled(learners, run) == [False, True, False, False]
        assert summary.deferred == 1
        request = request_of(learners[0], run)
        assert (request.last_error, request.failing_since) == ("database", timezone.now())
        (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert vars(line)["user_id"] == learners[0].pk

    def test_a_learner_whom_the_database_does_not_take_on_a_page(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        learners = [enrolled(run) for _ in range(12)]
        for learner in learners:
            CertificateRequestFactory.create(user=learner, course_run=run)
        refuse_grades_of(learners[5])

        process_requests()

        assert settled(learners, run).count(True) == 11
        assert request_of(learners[5], run).last_error == "database"
        assert openedx.request_count == 1

    @pytest.mark.parametrize("count", [2, 12], ids=["singly", "from-pages"])
    def test_an_error_of_ours(
        self,
        count: int,
        run: CourseRun,
        enrolled: Enrolls,
        settings,
        caplog: pytest.LogCaptureFixture,
    ):
        learners = [enrolled(run) for _ in range(count)]
        for learner in learners:
            CertificateRequestFactory.create(user=learner, course_run=run)
        settings.OPENEDX_CERTIFICATES_TIMEOUT = "soon"

        summary = process_requests()

        assert summary.deferred == count
        rows = CertificateRequest.objects.values_list("status", "last_error", "lease").distinct()
        assert list(rows) == [("open", "internal", None)]
        assert "TypeError" in {vars(record).get("kind") for record in caplog.records}
