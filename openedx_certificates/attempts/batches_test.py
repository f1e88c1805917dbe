"""Many held requests of one run are settled from the run's pages, and no other learner on them is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db.models.functions import Upper

from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment, CourseRunGrade
from openedx.models import OpenEdxUser
from openedx_certificates.api import process_requests
from openedx_certificates.held.pause import get_pause
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import (
    FAILED,
    PASSED,
    Enrolls,
    has_certificate,
    in_thread,
    request_of,
)
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

Class = Callable[..., list[User]]


@pytest.fixture
def run(db: None) -> CourseRun:
    """A run without due certificates: only a request has one issued."""
    return CourseRunFactory.create(certificate_available_date=None, is_self_paced=False)


@pytest.fixture
def requested(run: CourseRun, openedx: SimulatedOpenEdx) -> Class:
    """Make learners of the run in few statements, each with a request that is due."""

    def make(count: int, *, mode: str = "verified", **grade: Any) -> list[User]:
        learners = User.objects.bulk_create(UserFactory.build_batch(count, openedx_user=None))
        OpenEdxUser.objects.bulk_create(
            OpenEdxUser(user=learner, edx_username=learner.username) for learner in learners
        )
        CourseRunEnrollment.objects.bulk_create(
            CourseRunEnrollmentFactory.build(user=learner, run=run, enrollment_mode=mode)
            for learner in learners
        )
        CertificateRequest.objects.bulk_create(
            CertificateRequestFactory.build(user=learner, course_run=run) for learner in learners
        )
        for learner in learners:
            openedx.enroll(run.courseware_id, learner.username, **(grade or PASSED))
        return learners

    return make


def were_all_asked_singly(learners: list[User], openedx: SimulatedOpenEdx) -> bool:
    asked = [question.username for question in openedx.requests]
    return sorted(map(str, asked)) == sorted(learner.username for learner in learners)


class TestPages:
    def test_1000_open_requests_of_a_run_are_settled_with_at_most_20_questions(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        requested(1000)

        summary = process_requests()

        assert summary.settled == {"created": 1000}
        assert openedx.request_count <= 20
        assert set(CertificateRequest.objects.values_list("status", flat=True)) == {"created"}
        assert CourseRunCertificate.objects.count() == 1000

    def test_learners_whom_open_edx_spells_in_another_case_are_on_them_too(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        requested(20)
        OpenEdxUser.objects.update(edx_username=Upper("edx_username"))

        summary = process_requests()

        assert summary.settled == {"created": 20}
        assert openedx.request_count == 1

    def test_nobody_else_of_the_run_gets_a_grade_or_a_certificate(
        self, run: CourseRun, requested: Class, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        others = [enrolled(run) for _ in range(5)]
        learners = requested(12)
        others += [enrolled(run) for _ in range(5)]

        process_requests()

        certified = CourseRunCertificate.all_objects.values_list("user", flat=True)
        graded = CourseRunGrade.objects.values_list("user", flat=True)
        assert set(certified) == set(graded) == {learner.pk for learner in learners}
        assert openedx.request_count == 1

    def test_each_is_settled_by_what_the_pages_say_of_them(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        passed = requested(10)
        (not_passed,) = requested(1, **FAILED)
        (unpaid,) = requested(1, mode="audit")
        (impatient,) = requested(1, **FAILED)
        CertificateRequest.objects.filter(user=impatient).update(not_passed_answers=3)

        summary = process_requests()

        assert openedx.request_count == 1
        assert summary.settled == {"created": 10, "not_eligible": 2}
        assert summary.waiting == 1
        assert {request_of(learner, run).status for learner in passed} == {"created"}
        waiting = request_of(not_passed, run)
        assert (waiting.is_open, waiting.not_passed_answers, waiting.lease) == (True, 1, None)
        assert request_of(unpaid, run).reason == "no_paid_enrollment"
        assert request_of(impatient, run).reason == "grade_not_passed"

    def test_a_grade_that_is_refused_defers_its_learner_alone(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        learners = requested(10)
        (odd,) = requested(1, passed=True, percent=7.0)

        summary = process_requests()

        assert summary.settled == {"created": len(learners)}
        assert summary.deferred == 1
        request = request_of(odd, run)
        assert (request.is_open, request.last_error) == (True, "unusable_grade")
        assert openedx.request_count == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_grade_that_was_stored_while_the_page_was_asked_for_has_its_learner_asked_again(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx, settings: Any
    ):
        # Without patience the first "not passed" would be the last word.
        settings.OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS = ()
        dana, *others = requested(11)
        openedx.set_fault("hang")
        with ThreadPoolExecutor(1) as executor:
            working = executor.submit(in_thread(process_requests))
            openedx.wait_for_requests(1)
            CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.2, passed=False)
            openedx.clear_fault()

            assert working.result().settled == {"created": len(others)}

        assert request_of(dana, run).is_open
        assert process_requests(ignore_due=True).settled == {"created": 1}

    def test_they_go_no_further_than_the_last_learner_they_are_for(
        self,
        run: CourseRun,
        requested: Class,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        settings,
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 10
        requested(20)
        for _ in range(20):
            enrolled(run)

        process_requests()

        assert openedx.request_count == 2

    def test_a_learner_of_one_run_is_not_settled_by_anothers_pages(
        self, run: CourseRun, requested: Class, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        learners = requested(10)
        another = CourseRunFactory.create()
        enrolled(another, user=learners[0], **FAILED)
        CertificateRequestFactory.create(user=learners[0], course_run=another)

        process_requests()

        assert request_of(learners[0], run).status == "created"
        assert request_of(learners[0], another).is_open


class TestWhomThePagesLeaveOut:
    def test_ten_are_asked_for_one_by_one_and_the_others_later(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        listed, left_out = requested(20), requested(15, computable=False)

        summary = process_requests()

        assert openedx.request_count == 1 + 10
        assert summary.settled == {"created": len(listed)}
        assert summary.deferred == len(left_out)
        for learner in left_out:
            request = request_of(learner, run)
            assert (request.is_open, request.lease) == (True, None)
        assert CourseRunCertificate.objects.count() == len(listed)

    def test_who_is_not_enrolled_there_waits_and_keeps_nobody(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        listed, (gone,) = requested(12), requested(1)
        openedx.unenroll(run.courseware_id, gone.username)

        process_requests()

        assert {request_of(learner, run).status for learner in listed} == {"created"}
        assert request_of(gone, run).last_error == "not_found"


class TestAPageThatFails:
    def test_a_few_are_asked_for_one_by_one(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        requested(30)
        openedx.set_fault(Fault.parse("500", on="pages"))

        summary = process_requests()

        assert summary.settled == {"created": 10}
        assert summary.deferred == 20
        assert openedx.request_count == 1 + 10
        assert not get_pause().is_on

    def test_what_came_before_it_is_settled(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx, settings
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 10
        learners = requested(40)
        openedx.set_fault(Fault.parse("500", on="page:3"))

        process_requests()

        first = {request_of(learner, run).status for learner in learners[:20]}
        assert first == {"created"}
        assert CourseRunCertificate.objects.count() == 20 + 10

    @pytest.mark.parametrize("fault", ["500", "401", "429", "html", "close"])
    def test_an_outage_is_known_after_a_few_questions(
        self, fault: str, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx, settings
    ):
        requested(30)
        openedx.set_fault(fault)

        summary = process_requests()

        pages_and_singles = [question.username for question in openedx.requests]
        assert len(set(pages_and_singles)) == 2
        assert summary.deferred == 30
        assert set(CertificateRequest.objects.values_list("status", "lease")) == {("open", None)}


class TestWherePagesAreNotFewer:
    def test_under_ten_requests_are_asked_for_one_by_one(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx
    ):
        learners = requested(9)

        process_requests()

        assert were_all_asked_singly(learners, openedx)
        assert all(has_certificate(learner, run) for learner in learners)

    def test_a_few_of_a_very_large_run_are_asked_for_one_by_one(
        self, run: CourseRun, requested: Class, openedx: SimulatedOpenEdx, settings
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
        learners = requested(10)
        others = User.objects.bulk_create(UserFactory.build_batch(11, openedx_user=None))
        CourseRunEnrollment.objects.bulk_create(
            CourseRunEnrollmentFactory.build(user=other, run=run) for other in others
        )

        process_requests()

        assert were_all_asked_singly(learners, openedx)
        assert all(has_certificate(learner, run) for learner in learners)

    def test_ten_learners_of_ten_runs_are_asked_for_one_by_one(
        self, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        for _ in range(10):
            run = CourseRunFactory.create()
            CertificateRequestFactory.create(user=enrolled(run), course_run=run)

        process_requests()

        assert openedx.request_count == 10
        assert CourseRunCertificate.objects.count() == 10
