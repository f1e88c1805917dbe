"""`generate_course_run_certificates`: what may fail, and that the others go on."""

import pytest
from django.db import OperationalError, connection

from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx_certificates.api import generate_course_run_certificates
from openedx_certificates.testing.factories import (
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import Enrolls, has_certificate
from openedx_certificates.testing.tables import alter, refuse_grades_of
from openedx_certificates.wire.exceptions import (
    NoEdxUsername,
    OpenEdxError,
    OpenEdxUnreachable,
    UnusableGrade,
)
from tools.simulator import Fault, SimulatedOpenEdx

pytestmark = pytest.mark.django_db


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

    def test_a_grade_with_a_key_twice_is_refused_for_its_learner_alone(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        caplog: pytest.LogCaptureFixture,
    ):
        odd, after = enrolled(run), enrolled(run)
        openedx.set_fault("repeated-key")

        summary = generate_course_run_certificates()

        assert has_certificate(after, run)
        assert not CourseRunGrade.objects.filter(user=odd).exists()
        assert (summary.grades, summary.failures) == ({"created": 1, "refused": 1}, 0)
        (line,) = [
            record for record in caplog.records if vars(record).get("event") == "grade refused"
        ]
        assert (vars(line)["user_id"], vars(line)["reason"]) == (odd.pk, "a key stands twice")

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
        refuse_grades_of(odd)

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
        alter(
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
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 1
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

    def test_one_user_over_the_runs_survives_an_error_of_ours(self, enrolled: Enrolls):
        failing, healthy = CourseRunFactory.create(), CourseRunFactory.create()
        dana = enrolled(failing)
        enrolled(healthy, user=dana)

        def fail_for_the_first(execute, sql, params, many, context):
            values = params.values() if isinstance(params, dict) else params or ()
            if "courserungrade" in sql and failing.pk in values:
                raise ZeroDivisionError
            return execute(sql, params, many, context)

        with connection.execute_wrapper(fail_for_the_first):
            summary = generate_course_run_certificates(user=dana)
            with pytest.raises(ZeroDivisionError):
                generate_course_run_certificates(user=dana, course_run=failing)

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
