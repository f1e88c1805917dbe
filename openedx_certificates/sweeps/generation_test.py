"""`generate_course_run_certificates`: which runs and learners, what is stored, what may fail."""

from datetime import timedelta

import pytest
from django.utils import timezone

from courses.api import get_certificate_grade_eligible_runs
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx_certificates.api import (
    CertificateOutcome,
    GenerationSummary,
    generate_course_run_certificates,
)
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import FAILED, PASSED, Enrolls, has_certificate, travel
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db


def days(number: float) -> timedelta:
    return timedelta(days=number)


class TestWhichRuns:
    @pytest.mark.parametrize(
        ("fields", "is_eligible"),
        [
            ({"available": None}, True),
            ({"available": 400}, True),
            ({"available": -1}, True),
            ({"available": -30.9}, True),
            ({"available": -31.1}, False),
            ({"available": None, "live": False}, False),
            ({"available": -1, "live": False}, False),
            ({"available": -31.1, "is_self_paced": True}, False),
        ],
        ids=str,
    )
    def test_the_sweep_looks_at_live_runs_that_are_not_closed(
        self, fields: dict[str, object], is_eligible: bool
    ):
        now = timezone.now()
        available = fields.pop("available")
        run = CourseRunFactory.create(
            **fields,
            certificate_available_date=None if available is None else now + days(available),
        )

        assert (run in get_certificate_grade_eligible_runs(now)) is is_eligible

    def test_a_run_closes_exactly_when_the_window_does(self):
        now = timezone.now()
        closing = CourseRunFactory.create(certificate_available_date=now - days(31))

        assert closing not in get_certificate_grade_eligible_runs(now)

    def test_the_window_is_a_setting(self, settings):
        settings.CERTIFICATE_CREATION_WINDOW_IN_DAYS = 100
        now = timezone.now()
        run = CourseRunFactory.create(certificate_available_date=now - days(99))

        assert run in get_certificate_grade_eligible_runs(now)

    def test_without_arguments_every_eligible_run_is_swept(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        closed = CourseRunFactory.create(certificate_available_date=timezone.now() - days(40))
        self_paced = CourseRunFactory.create(self_paced=True)
        learners = {each: enrolled(each) for each in (run, self_paced, closed)}

        summary = generate_course_run_certificates()

        assert summary.runs == 2
        assert has_certificate(learners[run], run)
        assert has_certificate(learners[self_paced], self_paced)
        assert not has_certificate(learners[closed], closed)
        assert {request.course_id for request in openedx.requests} == {
            run.courseware_id,
            self_paced.courseware_id,
        }

    @pytest.mark.parametrize("force", [False, True])
    def test_force_does_not_change_which_runs_are_swept(self, force: bool, enrolled: Enrolls):
        closed = CourseRunFactory.create(certificate_available_date=timezone.now() - days(40))
        learner = enrolled(closed)

        summary = generate_course_run_certificates(force=force)

        assert summary.runs == 0
        assert not has_certificate(learner, closed)

    @pytest.mark.parametrize(
        "fields",
        [{"live": False}, {"certificate_available_date": timezone.now() - days(400)}],
        ids=["not live", "closed"],
    )
    def test_a_run_that_is_asked_for_is_swept_eligible_or_not(
        self, fields: dict[str, object], enrolled: Enrolls
    ):
        run = CourseRunFactory.create(**{"certificate_available_date": timezone.now(), **fields})
        learner = enrolled(run)

        generate_course_run_certificates(course_run=run)

        assert has_certificate(learner, run)


class TestWhichLearners:
    def test_a_run_is_asked_for_page_by_page_and_not_once_per_learner(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, settings
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
        learners = [enrolled(run) for _ in range(5)]

        summary = generate_course_run_certificates(course_run=run)

        assert summary.learners == 5
        assert all(has_certificate(learner, run) for learner in learners)
        assert [request.username for request in openedx.requests] == [None] * 3
        assert openedx.requests[0].query["page_size"] == "2"

    def test_one_user_is_asked_for_by_name_in_the_eligible_runs_of_an_active_enrollment(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        left, closed, not_enrolled = (
            CourseRunFactory.create(),
            CourseRunFactory.create(certificate_available_date=timezone.now() - days(40)),
            CourseRunFactory.create(),
        )
        dana = enrolled(run)
        enrolled(left, user=dana, active=False)
        enrolled(closed, user=dana)
        openedx.enroll(not_enrolled.courseware_id, dana.edx_username, **PASSED)
        other = enrolled(run)

        summary = generate_course_run_certificates(user=dana)

        (question,) = openedx.requests
        assert (question.course_id, question.username) == (run.courseware_id, dana.edx_username)
        assert (summary.runs, summary.learners) == (1, 1)
        assert has_certificate(dana, run)
        assert not has_certificate(other, run)

    def test_one_user_in_one_run_is_one_question(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana, other = enrolled(run), enrolled(run)

        summary = generate_course_run_certificates(user=dana, course_run=run)

        assert openedx.request_count == 1
        assert summary.outcome is CertificateOutcome.CREATED
        assert has_certificate(dana, run)
        assert not has_certificate(other, run)

    def test_learners_who_are_not_known_here_are_passed_over(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        openedx.enroll(run.courseware_id, "stranger", **PASSED)
        dana = enrolled(run)

        summary = generate_course_run_certificates(course_run=run)

        assert summary.learners == 1
        assert has_certificate(dana, run)


class TestWhen:
    @pytest.mark.parametrize(
        ("self_paced", "available", "is_due"),
        [
            (True, None, True),
            (True, 5, True),
            (False, -1, True),
            (False, 0, True),
            (False, 5, False),
            (False, None, False),
        ],
        ids=[
            "self-paced without a date",
            "self-paced before its date",
            "date passed",
            "date is now",
            "date to come",
            "no date",
        ],
    )
    @pytest.mark.parametrize("force", [False, True], ids=["", "forced"])
    @pytest.mark.parametrize("for_one_user", [False, True], ids=["all", "one user"])
    @pytest.mark.parametrize("for_one_run", [False, True], ids=["sweep", "one run"])
    def test_certificates_wait_for_their_date_unless_forced_and_grades_do_not(
        self,
        self_paced: bool,
        available: int | None,
        is_due: bool,
        force: bool,
        for_one_user: bool,
        for_one_run: bool,
        enrolled: Enrolls,
    ):
        run = CourseRunFactory.create(
            is_self_paced=self_paced,
            certificate_available_date=(
                None if available is None else timezone.now() + days(available)
            ),
        )
        dana = enrolled(run)

        summary = generate_course_run_certificates(
            user=dana if for_one_user else None,
            course_run=run if for_one_run else None,
            force=force,
        )

        assert has_certificate(dana, run) is (is_due or force)
        assert CourseRunGrade.objects.get(user=dana, course_run=run).passed
        assert summary.grades["created"] == 1
        expected = CertificateOutcome.CREATED if is_due or force else CertificateOutcome.NOT_DUE
        assert summary.certificates == {expected: 1}

    def test_the_date_itself_is_due(self, enrolled: Enrolls):
        date = timezone.now()
        run = CourseRunFactory.create(certificate_available_date=date)
        dana = enrolled(run)

        with travel(date):
            generate_course_run_certificates()

        assert has_certificate(dana, run)


class TestWho:
    @pytest.mark.parametrize("force", [False, True], ids=["", "forced"])
    @pytest.mark.parametrize(
        ("enrollment", "grade", "outcome"),
        [
            ({}, FAILED, CertificateOutcome.NOT_PASSED),
            ({"mode": "audit"}, PASSED, CertificateOutcome.NO_PAID_ENROLLMENT),
            ({"mode": "honor"}, PASSED, CertificateOutcome.NO_PAID_ENROLLMENT),
            ({"active": False}, PASSED, CertificateOutcome.NO_PAID_ENROLLMENT),
            ({"mode": "audit"}, FAILED, CertificateOutcome.NOT_PASSED),
        ],
        ids=["failed", "audit", "honor", "inactive", "audit and failed"],
    )
    def test_nothing_waives_that_the_learner_passed_and_paid(
        self,
        force: bool,
        enrollment: dict[str, object],
        grade: dict[str, object],
        outcome: CertificateOutcome,
        run: CourseRun,
        enrolled: Enrolls,
    ):
        dana = enrolled(run, **enrollment, **grade)

        summary = generate_course_run_certificates(course_run=run, force=force)

        assert not has_certificate(dana, run)
        assert summary.certificates == {outcome: 1}

    @pytest.mark.parametrize("force", [False, True], ids=["", "forced"])
    def test_a_learner_whose_account_was_given_up_gets_nothing_new_and_keeps_what_there_is(
        self, force: bool, run: CourseRun, enrolled: Enrolls
    ):
        certified, dana = enrolled(run), enrolled(run)
        certificate = CourseRunCertificateFactory.create(user=certified, course_run=run)
        User.objects.update(is_active=False)

        summary = generate_course_run_certificates(course_run=run, force=force)

        assert CourseRunCertificate.objects.get() == certificate
        assert summary.certificates == {
            CertificateOutcome.EXISTS: 1,
            CertificateOutcome.NO_PAID_ENROLLMENT: 1,
        }
        assert CourseRunGrade.objects.get(user=dana, course_run=run).passed

    def test_an_account_that_is_active_again_earns_what_was_held_back(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run, user=UserFactory.create(is_active=False))
        generate_course_run_certificates()
        assert not has_certificate(dana, run)
        User.objects.update(is_active=True)

        generate_course_run_certificates()

        assert has_certificate(dana, run)


class TestRepeated:
    def test_a_second_sweep_changes_nothing(self, run: CourseRun, enrolled: Enrolls):
        dana = enrolled(run)
        generate_course_run_certificates()
        rows = (
            CourseRunGrade.objects.values().get(),
            CourseRunCertificate.all_objects.values().get(),
        )

        summary = generate_course_run_certificates()

        assert rows == (
            CourseRunGrade.objects.values().get(),
            CourseRunCertificate.all_objects.values().get(),
        )
        assert summary.grades == {"unchanged": 1}
        assert summary.certificates == {CertificateOutcome.EXISTS: 1}
        assert has_certificate(dana, run)

    def test_a_grade_that_rises_later_brings_the_certificate(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run, **FAILED)
        generate_course_run_certificates()
        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)

        summary = generate_course_run_certificates()

        assert summary.grades == {"updated": 1}
        assert has_certificate(dana, run)

    def test_a_grade_that_falls_later_leaves_the_certificate(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        generate_course_run_certificates()
        openedx.set_grade(run.courseware_id, dana.edx_username, **FAILED)

        generate_course_run_certificates()

        assert has_certificate(dana, run)
        assert not CourseRunGrade.objects.get().passed

    def test_a_revoked_certificate_stays_revoked_and_single(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=True)

        summary = generate_course_run_certificates(force=True)

        assert CourseRunCertificate.all_objects.get().is_revoked
        assert summary.certificates == {CertificateOutcome.REVOKED: 1}

    def test_a_grade_set_by_an_administrator_is_not_overwritten(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run, **FAILED)
        CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.8, set_by_admin=True)

        generate_course_run_certificates()

        assert CourseRunGrade.objects.get().grade == 0.8
        assert has_certificate(dana, run)


def test_the_summary_counts_every_learner_once(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    openedx.enroll(run.courseware_id, "stranger", **PASSED)
    enrolled(run)
    enrolled(run, mode="audit")
    enrolled(run, **FAILED)
    enrolled(run, passed=None, percent=0.5)

    summary = generate_course_run_certificates()

    counts = summary.as_dict()
    assert counts["runs"] == 1
    assert counts["learners"] == 4
    assert counts["strangers"] == 1
    assert counts["grades_created"] == 3
    assert counts["grades_refused"] == 1
    assert (
        counts["certificates_created"] == counts["no_paid_enrollment"] == counts["not_passed"] == 1
    )
    assert counts["failures"] == 0


def test_progress_is_reported_page_by_page(run: CourseRun, enrolled: Enrolls, settings):
    settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
    for _ in range(5):
        enrolled(run)
    seen: list[int] = []

    def report(summary: GenerationSummary) -> None:
        seen.append(summary.learners)

    generate_course_run_certificates(report=report)

    assert seen == [2, 4, 5, 5]
