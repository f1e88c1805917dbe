"""What is kept with a run of its last sweep."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from courses.models import CourseRun
from openedx_certificates.api import GenerationSummary, generate_course_run_certificates
from openedx_certificates.models import CourseRunSweep
from openedx_certificates.testing.factories import CourseRunFactory
from openedx_certificates.testing.scenes import FAILED, Clock, Enrolls, has_certificate
from openedx_certificates.testing.tables import refuse_grades_of
from tools.simulator import Fault, SimulatedOpenEdx

pytestmark = pytest.mark.django_db


def sweep_of(run: CourseRun) -> CourseRunSweep:
    return CourseRunSweep.objects.get(course_run=run)


def test_when_how_long_and_what_came_of_it(
    run: CourseRun, enrolled: Enrolls, clock: Clock, settings
):
    settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
    enrolled(run)
    enrolled(run)
    enrolled(run, **FAILED)
    enrolled(run, passed=None, percent=0.5)
    begun = timezone.now()

    def take_time(_summary: GenerationSummary) -> None:
        clock.shift(timedelta(seconds=3))

    generate_course_run_certificates(report=take_time)

    sweep = sweep_of(run)
    assert (sweep.started_on, sweep.took) == (begun, timedelta(seconds=6))
    assert (sweep.pages, sweep.learners, sweep.certificates_created) == (2, 4, 2)
    assert (sweep.failed_learners, sweep.refused_grades, sweep.error) == (0, 1, "")
    assert (sweep.lease, sweep.leased_until) == (None, None)


def test_the_next_sweep_takes_the_place_of_the_last(run: CourseRun, enrolled: Enrolls):
    enrolled(run)
    generate_course_run_certificates()
    enrolled(run, **FAILED)

    generate_course_run_certificates(course_run=run)

    sweep = sweep_of(run)
    assert (sweep.learners, sweep.certificates_created) == (2, 0)


def test_a_run_that_broke_off_tells_why_and_how_far_it_came(
    run: CourseRun,
    enrolled: Enrolls,
    openedx: SimulatedOpenEdx,
    caplog: pytest.LogCaptureFixture,
    settings,
):
    settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
    learners = [enrolled(run) for _ in range(5)]
    openedx.set_fault(Fault("500", page=3))

    generate_course_run_certificates()

    sweep = sweep_of(run)
    assert [has_certificate(learner, run) for learner in learners] == [True] * 4 + [False]
    assert (sweep.pages, sweep.learners, sweep.certificates_created) == (2, 4, 4)
    assert sweep.error == "unreachable"
    assert "(500)" in sweep.error_text
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert vars(line)["cause"] == "Open edX failed to answer (500)."
    assert "page 2, with 4 learners" in sweep.error_text

    openedx.clear_fault()
    generate_course_run_certificates()

    sweep.refresh_from_db()
    assert (sweep.error, sweep.error_text, sweep.learners) == ("", "", 5)


@pytest.mark.parametrize("is_of_one", [False, True], ids=["all learners", "one learner"])
def test_a_lack_of_ours_breaks_the_run_off_says_so_and_stops_no_other(
    is_of_one: bool,
    run: CourseRun,
    enrolled: Enrolls,
    openedx: SimulatedOpenEdx,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings,
):
    dana, other = enrolled(run), CourseRunFactory.create()
    enrolled(other, user=dana)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(tmp_path / "missing.pem"))
    settings.OPENEDX_API_BASE_URL = openedx.url.replace("http:", "https:")

    summary = generate_course_run_certificates(user=dana if is_of_one else None)

    assert summary.failed_runs == [run.courseware_id, other.courseware_id]
    told = [vars(each).get("cause", "") for each in caplog.records if each.levelname == "ERROR"]
    assert len(told) == 2
    assert all("our bundle of trusted certificates can't be read" in cause for cause in told)
    if not is_of_one:
        assert sweep_of(run).error == "internal"
        assert "our bundle of trusted certificates" in sweep_of(run).error_text


def test_learners_whom_the_database_did_not_take_are_counted(run: CourseRun, enrolled: Enrolls):
    odd, _ = enrolled(run), enrolled(run)
    refuse_grades_of(odd)

    generate_course_run_certificates()

    assert (sweep_of(run).failed_learners, sweep_of(run).certificates_created) == (1, 1)


def test_an_error_of_ours_in_one_run_stops_no_other_and_its_words_are_kept_from_log_and_row(
    run: CourseRun, enrolled: Enrolls, caplog: pytest.LogCaptureFixture
):
    other = CourseRunFactory.create()
    enrolled(run)
    dana = enrolled(other)
    words = "value=secret"

    def fail_for_the_first(execute, sql, params, many, context):
        if "openedx_openedxuser" in sql and not CourseRunSweep.objects.exclude(error="").exists():
            raise ZeroDivisionError(words)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail_for_the_first):
        summary = generate_course_run_certificates()

    assert summary.failed_runs == [run.courseware_id]
    assert has_certificate(dana, other)
    assert sweep_of(run).error == "internal"
    assert "secret" not in sweep_of(run).error_text
    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_take_the_result_fails_no_other_run(
    run: CourseRun, enrolled: Enrolls
):
    dana, other = enrolled(run), CourseRunFactory.create()
    lucky = enrolled(other)

    def lose(execute, sql, params, many, context):
        if sql.startswith('UPDATE "openedx_certificates_courserunsweep"') and "finished_on" in sql:
            raise OperationalError("the connection was lost")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(lose):
        generate_course_run_certificates()

    assert has_certificate(dana, run)
    assert has_certificate(lucky, other)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_moment_fails_no_other_run(run: CourseRun, enrolled: Enrolls):
    other = CourseRunFactory.create()
    enrolled(run)
    lucky = enrolled(other)
    lost = []

    def lose_from_the_claim_to_its_end(execute, sql, params, many, context):
        is_read_again = sql.startswith('SELECT "courses_courserun"."id"') and params == (run.pk,)
        is_given_up = sql.startswith(
            'UPDATE "openedx_certificates_courserunsweep" SET "lease" = NULL'
        )
        if is_read_again or (is_given_up and len(lost) == 1):
            lost.append(sql)
            raise OperationalError("the connection was lost")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(lose_from_the_claim_to_its_end):
        summary = generate_course_run_certificates()

    assert len(lost) == 2
    assert summary.failed_runs == [run.courseware_id]
    assert has_certificate(lucky, other)


def test_a_question_about_one_learner_is_no_sweep(run: CourseRun, enrolled: Enrolls):
    dana = enrolled(run)

    generate_course_run_certificates(user=dana)
    generate_course_run_certificates(user=dana, course_run=run)

    assert not CourseRunSweep.objects.exists()
