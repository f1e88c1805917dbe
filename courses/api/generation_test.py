"""`generate_course_run_certificates`: which runs and learners, what is stored, what may fail."""

from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from django.utils import timezone

from courses.api import (
    CertificateOutcome,
    GenerationSummary,
    generate_course_run_certificates,
    get_certificate_grade_eligible_runs,
)
from courses.conftest import FAILED, PASSED, Enrolls
from courses.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx.exceptions import NoEdxUsername, OpenEdxError, OpenEdxUnreachable, UnusableGrade
from openedx.simulator import Fault, SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db


def has_certificate(user: User, run: CourseRun) -> bool:
    return CourseRunCertificate.objects.filter(user=user, course_run=run).exists()


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
        settings.EDX_API_PAGE_SIZE = 2
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

        with time_machine.travel(date, tick=False):
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


class TestFailures:
    @pytest.mark.parametrize(
        "nonsense",
        [
            {"percent": None},
            {"percent": "0.9"},
            {"percent": False},
            {"percent": float("nan")},
            {"percent": float("inf")},
            {"percent": -0.1},
            {"percent": 2.5},
            {"passed": None},
            {"letter_grade": "elevencharac"},
            {"letter_grade": "A\x00"},
            {"username": None},
            {"username": "\x00"},
            {"username": "\ud800"},
            {"course_id": "course-v1:MITx+another+1T2026"},
            {"record": None},
            {"record": []},
        ],
        ids=str,
    )
    def test_a_grade_that_can_not_be_used_is_refused_for_its_learner_alone(
        self,
        nonsense: dict[str, object],
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
    ):
        before, odd, after = enrolled(run), enrolled(run), enrolled(run)
        openedx.set_grade(run.courseware_id, odd.edx_username, **nonsense)

        summary = generate_course_run_certificates()

        assert has_certificate(before, run)
        assert has_certificate(after, run)
        assert not CourseRunGrade.objects.filter(user=odd).exists()
        assert not CourseRunCertificate.all_objects.filter(user=odd).exists()
        assert summary.grades == {"created": 2, "refused": 1}
        assert summary.failures == 0

    def test_a_learner_left_out_of_the_page_keeps_the_grade(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        generate_course_run_certificates()
        openedx.set_grade(run.courseware_id, dana.edx_username, computable=False)

        generate_course_run_certificates()

        assert CourseRunGrade.objects.get().grade == 0.9
        assert has_certificate(dana, run)

    def test_one_learners_failure_in_the_database_stops_nobody_else(
        self, run: CourseRun, enrolled: Enrolls, caplog: pytest.LogCaptureFixture
    ):
        before, odd, after = enrolled(run), enrolled(run), enrolled(run)
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE courses_courserungrade"
                f" ADD CONSTRAINT only_for_this_test CHECK (user_id <> {odd.pk})"
            )

        summary = generate_course_run_certificates()

        assert has_certificate(before, run)
        assert has_certificate(after, run)
        assert (summary.failed_learners, summary.failures) == (1, 1)
        (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert vars(line)["user_id"] == odd.pk

    def test_a_deadlock_of_one_learner_stops_nobody_else(
        self, run: CourseRun, enrolled: Enrolls, caplog: pytest.LogCaptureFixture
    ):
        before, odd, after = enrolled(run), enrolled(run), enrolled(run)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                CREATE FUNCTION only_for_this_test() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN
                  IF NEW.user_id = {odd.pk} THEN
                    RAISE 'deadlock over learner secret' USING ERRCODE = '40P01';
                  END IF;
                  RETURN NEW;
                END $$;
                CREATE TRIGGER only_for_this_test BEFORE INSERT ON courses_courserungrade
                FOR EACH ROW EXECUTE FUNCTION only_for_this_test()
                """
            )

        summary = generate_course_run_certificates()

        assert has_certificate(before, run)
        assert has_certificate(after, run)
        assert (summary.failed_learners, summary.failed_runs) == (1, [])
        (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert (vars(line)["user_id"], vars(line)["sqlstate"]) == (odd.pk, "40P01")
        assert "secret" not in str(vars(line))

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_a_page_that_fails_for_good_loses_its_run_alone_and_no_page_before_it(
        self,
        page: int,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        caplog: pytest.LogCaptureFixture,
        settings,
    ):
        settings.EDX_API_PAGE_SIZE = 1
        failing, healthy = CourseRunFactory.create(), CourseRunFactory.create()
        learners = [enrolled(failing) for _ in range(3)]
        lucky = enrolled(healthy)
        openedx.set_fault(Fault.parse("500", on=f"page:{page}", count=4))

        summary = generate_course_run_certificates()

        assert [has_certificate(learner, failing) for learner in learners] == [
            number < page for number in (1, 2, 3)
        ]
        assert has_certificate(lucky, healthy)
        assert summary.failed_runs == [failing.courseware_id]
        (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert vars(line)["course_id"] == failing.courseware_id
        assert vars(line)["error"] == "unreachable"

    def test_a_page_that_fails_three_times_is_asked_for_again(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        openedx.set_fault(Fault("500", count=3))

        summary = generate_course_run_certificates()

        assert has_certificate(dana, run)
        assert summary.failures == 0
        assert openedx.request_count == 4

    def test_a_run_that_open_edx_does_not_know_stops_no_other(self, enrolled: Enrolls):
        unknown, known = CourseRunFactory.create(), CourseRunFactory.create()
        dana = enrolled(known)

        summary = generate_course_run_certificates()

        assert summary.failed_runs == [unknown.courseware_id]
        assert has_certificate(dana, known)

    def test_one_user_over_the_runs_survives_a_run_that_fails(
        self, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        failing, healthy = CourseRunFactory.create(), CourseRunFactory.create()
        dana = enrolled(failing)
        enrolled(healthy, user=dana)
        openedx.unenroll(failing.courseware_id, dana.edx_username)

        summary = generate_course_run_certificates(user=dana)

        assert summary.failed_runs == [failing.courseware_id]
        assert has_certificate(dana, healthy)

    @pytest.mark.parametrize("fault", ["500", "429:0", "empty-list"])
    def test_one_user_over_the_runs_is_asked_for_again(
        self, fault: str, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        openedx.set_fault(Fault.parse(fault, count=3))

        summary = generate_course_run_certificates(user=dana)

        assert has_certificate(dana, run)
        assert summary.failures == 0
        assert openedx.request_count == 4

    def test_one_user_without_a_username_there_fails_each_run_and_raises_nothing(
        self, run: CourseRun
    ):
        noname = UserFactory.create(openedx_user=None)
        CourseRunEnrollmentFactory.create(user=noname, run=run)

        summary = generate_course_run_certificates(user=noname)

        assert summary.failed_runs == [run.courseware_id]

    @pytest.mark.parametrize("fault", ["500", "401", "404", "429", "html", "close", "empty-list"])
    def test_one_user_in_one_run_raises_what_went_wrong(
        self, fault: str, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        openedx.set_fault(fault)

        with pytest.raises(OpenEdxError):
            generate_course_run_certificates(user=dana, course_run=run)

        assert not CourseRunGrade.objects.exists()

    def test_one_user_in_one_run_raises_a_refused_grade_and_a_missing_username(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run, passed=True, percent=7.0)
        noname = UserFactory.create(openedx_user=None)

        with pytest.raises(UnusableGrade):
            generate_course_run_certificates(user=dana, course_run=run)
        with pytest.raises(NoEdxUsername):
            generate_course_run_certificates(user=noname, course_run=run)

    def test_a_database_that_goes_away_fails_the_run_and_is_raised_for_one_learner(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)

        def lose(execute, sql, params, many, context):
            if "courserungrade" in sql:
                raise OperationalError("the connection was lost")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(lose):
            summary = generate_course_run_certificates()
            with pytest.raises(OperationalError):
                generate_course_run_certificates(user=dana, course_run=run)

        assert summary.failed_runs == [run.courseware_id]

    def test_an_open_edx_that_is_down_fails_every_run_of_a_sweep(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        openedx.stop()

        summary = generate_course_run_certificates()

        assert summary.failed_runs == [run.courseware_id]
        with pytest.raises(OpenEdxUnreachable):
            generate_course_run_certificates(user=dana, course_run=run)


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
    settings.EDX_API_PAGE_SIZE = 2
    for _ in range(5):
        enrolled(run)
    seen: list[int] = []

    def report(summary: GenerationSummary) -> None:
        seen.append(summary.learners)

    generate_course_run_certificates(report=report)

    assert seen == [2, 4, 5, 5]
