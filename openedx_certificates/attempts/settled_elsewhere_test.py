"""A held request settled from elsewhere: by a sweep that finds the certificate, or revocation."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import (
    generate_course_run_certificates,
    manage_course_run_certificate_access,
    override_user_grade,
    process_course_run_grade_certificate,
    process_requests,
    request_certificate,
)
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from openedx_certificates.testing.scenes import (
    FAILED,
    ZERO,
    Enrolls,
    at_once,
    certify,
    has_certificate,
    in_thread,
    request_of,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db


def is_settled(user: User, run: CourseRun, status: str) -> bool:
    request = request_of(user, run)
    assert request.lease is None
    return request.status == status and request.settled_on is not None


class TestASweep:
    def test_what_it_creates_settles_the_request(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)

        generate_course_run_certificates()

        assert is_settled(dana, run, "created")
        assert process_requests().taken_up == 0
        assert openedx.request_count == 1

    def test_it_settles_a_whole_page_each_by_what_the_learner_has(
        self, run: CourseRun, enrolled: Enrolls
    ):
        new, older, revoked = [[enrolled(run) for _ in range(3)] for _ in range(3)]
        for learner in older:
            CourseRunCertificateFactory.create(user=learner, course_run=run)
        for learner in revoked:
            CourseRunCertificateFactory.create(user=learner, course_run=run, is_revoked=True)
        for learner in [*new, *older, *revoked]:
            CertificateRequestFactory.create(user=learner, course_run=run)

        generate_course_run_certificates(course_run=run)

        assert all(is_settled(learner, run, "created") for learner in new)
        assert all(is_settled(learner, run, "exists") for learner in older)
        assert all(is_settled(learner, run, "revoked") for learner in revoked)

    def test_what_it_does_not_certify_stays_open_as_it_was(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        failed, unpaid = enrolled(run, **FAILED), enrolled(run, mode="audit")
        left_out, odd = enrolled(run, computable=False), enrolled(run, passed=None)
        early_run = CourseRunFactory.create(certificate_available_date=None)
        early = enrolled(early_run)
        open_ones = [(learner, run) for learner in (failed, unpaid, left_out, odd)]
        open_ones.append((early, early_run))
        before = [
            CertificateRequestFactory.create(user=learner, course_run=its_run)
            for learner, its_run in open_ones
        ]

        generate_course_run_certificates()

        for (learner, its_run), request in zip(open_ones, before, strict=True):
            now = request_of(learner, its_run)
            assert now.is_open
            assert now.next_attempt_on == request.next_attempt_on

    def test_a_request_of_the_learner_in_another_run_stays_open(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana, another = enrolled(run), CourseRunFactory.create()
        enrolled(another, user=dana, **FAILED)
        CertificateRequestFactory.create(user=dana, course_run=another)

        generate_course_run_certificates()

        assert request_of(dana, another).is_open

    def test_a_certificate_that_it_does_not_take_away_settles_the_request(
        self, run: CourseRun, enrolled: Enrolls, settings
    ):
        settings.OPENEDX_CERTIFICATES_DELETIONS_MAX = 0
        settings.OPENEDX_CERTIFICATES_DELETIONS_MAX_PERCENT = 0.0
        dana = enrolled(run, **ZERO)
        CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.0, passed=False)
        CourseRunCertificateFactory.create(user=dana, course_run=run)
        CertificateRequestFactory.create(user=dana, course_run=run)

        generate_course_run_certificates()

        assert is_settled(dana, run, "exists")
        assert CourseRunCertificate.objects.count() == 1

    def test_one_learners_sweep_settles_the_request_too(self, run: CourseRun, enrolled: Enrolls):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)

        generate_course_run_certificates(user=dana)

        assert is_settled(dana, run, "created")

    def test_an_administrators_grade_settles_the_request_too(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)

        grade = override_user_grade(dana, 0.9, "A", run.courseware_id, should_force_pass=True)
        process_course_run_grade_certificate(grade)

        assert is_settled(dana, run, "created")
        assert openedx.request_count == 0


class TestARequestWhoseCertificateIsThere:
    @pytest.mark.parametrize(("is_revoked", "status"), [(False, "exists"), (True, "revoked")])
    def test_it_is_settled_by_it(
        self, is_revoked: bool, status: str, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=is_revoked)
        CertificateRequestFactory.create(user=dana, course_run=run)

        process_requests()

        assert is_settled(dana, run, status)
        assert CourseRunCertificate.all_objects.get().is_revoked is is_revoked


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_a_sweep_settles_what_a_worker_is_asking_for(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)
        openedx.set_fault("hang")

        with ThreadPoolExecutor(2) as executor:
            passes = [
                executor.submit(in_thread(process_requests)),
                executor.submit(in_thread(generate_course_run_certificates)),
            ]
            openedx.wait_for_requests(2)
            openedx.clear_fault()
            for one in passes:
                one.result()

        assert request_of(dana, run).status in {"created", "exists"}
        assert request_of(dana, run).settled_on <= timezone.now()
        assert CourseRunCertificate.all_objects.count() == 1

    def test_a_revocation_meanwhile_is_what_the_event_and_the_sweep_find(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        openedx.set_fault("hang")

        with ThreadPoolExecutor(2) as executor:
            event = executor.submit(in_thread(lambda: request_certificate(dana, run)))
            sweep = executor.submit(in_thread(generate_course_run_certificates))
            openedx.wait_for_requests(2)
            CourseRunCertificateFactory.create(user=dana, course_run=run)
            manage_course_run_certificate_access(dana, run.courseware_id, revoke_state=True)
            openedx.clear_fault()
            sweep.result()

            assert event.result() == "revoked"
        assert is_settled(dana, run, "revoked")
        assert CourseRunCertificate.all_objects.get().is_revoked

    def test_events_sweeps_passes_and_a_revocation_leave_nothing_open_and_nothing_double(
        self, run: CourseRun, enrolled: Enrolls
    ):
        learners = [enrolled(run) for _ in range(4)]
        for learner in learners[:2]:
            CertificateRequestFactory.create(user=learner, course_run=run)

        at_once(
            generate_course_run_certificates,
            process_requests,
            *[lambda learner=learner: request_certificate(learner, run) for learner in learners],
            lambda: manage_course_run_certificate_access(learners[0], run.courseware_id, True),
            generate_course_run_certificates,
        )
        process_requests()

        assert CourseRunCertificate.all_objects.count() == len(learners)
        assert not run.certificate_requests.filter(status="open").exists()
        settled = set(run.certificate_requests.values_list("status", flat=True))
        assert settled <= {"created", "exists", "revoked"}


@pytest.mark.django_db(transaction=True)
def test_a_certificate_that_comes_while_pages_say_0_settles_the_request_and_stays(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    learners = [enrolled(run, **ZERO) for _ in range(10)]
    for learner in learners:
        CertificateRequestFactory.create(user=learner, course_run=run)
    openedx.set_fault("hang")

    with ThreadPoolExecutor(1) as executor:
        one_pass = executor.submit(in_thread(process_requests))
        openedx.wait_for_requests(1)
        certify(learners[0], run, zero_reported_on=timezone.now() - timedelta(days=1))
        openedx.clear_fault()
        summary = one_pass.result()

    assert has_certificate(learners[0], run)
    assert request_of(learners[0], run).status == "exists"
    assert summary.settled == {"exists": 1}
    assert summary.waiting == 9


@pytest.mark.django_db(transaction=True)
def test_a_request_that_somebody_has_locked_holds_up_no_sweep(run: CourseRun, enrolled: Enrolls):
    dana, other = enrolled(run), enrolled(run)
    requests = [
        CertificateRequestFactory.create(user=learner, course_run=run) for learner in (dana, other)
    ]
    is_locked, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            CertificateRequest.objects.select_for_update().get(pk=requests[0].pk)
            is_locked.set()
            assert may_end.wait(10)

    with ThreadPoolExecutor(1) as executor:
        holding = executor.submit(in_thread(hold))
        assert is_locked.wait(10)
        summary = generate_course_run_certificates(course_run=run)
        may_end.set()
        holding.result()
    assert summary.failures == 0
    assert has_certificate(dana, run)
    assert is_settled(other, run, "created")

    process_requests()

    assert is_settled(dana, run, "exists")
