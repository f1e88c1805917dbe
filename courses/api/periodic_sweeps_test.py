"""A quiet run is not asked hourly: the periodic task's cost follows the activity."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from courses.api import generate_course_run_certificates, get_runs_to_sweep
from courses.conftest import FAILED, PASSED, Clock, Enrolls, has_certificate
from courses.factories import CourseRunFactory, CourseRunSweepFactory
from courses.models import CourseRun, CourseRunEnrollment
from courses.tasks import generate_course_certificates
from openedx.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Hours = Callable[[int], list[int]]


@pytest.fixture
def run(run: CourseRun) -> CourseRun:
    """A run that stays eligible for weeks, and which nobody has touched for long."""
    CourseRun.objects.update(
        certificate_available_date=timezone.now() - DAY, updated_on=timezone.now() - DAY
    )
    run.refresh_from_db()
    return run


@pytest.fixture
def hours(openedx: SimulatedOpenEdx, clock: Clock) -> Hours:
    """Let so many hours pass with the periodic task at each; return at which of them it asked."""
    begun = timezone.now().replace(minute=0, second=0, microsecond=0) + DAY
    passed = iter(range(10_000))

    def let_pass(number: int) -> list[int]:
        asked = []
        for hour in range(number):
            # A task begins when it does, now and then some minutes late.
            late = timedelta(minutes=(hour * 7) % 20, seconds=hour % 3)
            clock.move_to(begun + next(passed) * HOUR + late)
            before = openedx.request_count
            generate_course_certificates()
            if openedx.request_count > before:
                asked.append(hour)
        return asked

    return let_pass


def quiet(run: CourseRun, *, since: timedelta = 10 * DAY) -> datetime:
    """Let the run rest since a moment ago; return the moment."""
    now = timezone.now()
    CourseRunEnrollment.all_objects.update(updated_on=now - since)
    CourseRun.objects.update(updated_on=now - since)
    sweep = CourseRunSweepFactory.create(
        course_run=run, started_on=now, quiet_since=now - since, next_sweep_on=now + 23 * HOUR
    )
    return sweep.started_on


class TestHowLong:
    def test_a_run_in_which_nothing_happens_is_asked_less_and_less_up_to_a_day(
        self, run: CourseRun, enrolled: Enrolls, hours: Hours
    ):
        enrolled(run, **FAILED)

        asked = hours(24 * 7)

        gaps = [later - earlier for earlier, later in pairwise(asked)]
        # The first found the grade, the second nothing new.
        assert gaps[:2] == [1, 1]
        assert max(gaps) == 24
        # A task that begins late one day and early the next makes it an hour less.
        assert all(gap >= 23 for gap in gaps[-4:])
        assert len(asked) <= 15

    def test_a_run_in_which_something_happens_is_asked_hourly(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, hours: Hours
    ):
        dana = enrolled(run, **FAILED)
        hours(48)

        openedx.set_grade(run.courseware_id, dana.edx_username, passed=False, percent=0.4)
        hours(24)
        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
        first, *after = hours(30)

        assert has_certificate(dana, run)
        assert first <= 24
        assert after[0] == first + 1

    def test_a_run_that_is_about_to_close_is_asked_until_it_is_closed(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, hours: Hours, settings
    ):
        dana = enrolled(run, **FAILED)
        settings.CERTIFICATE_CREATION_WINDOW_IN_DAYS = 8
        # It closes in the middle of what would be a rest of a day.
        hours(24 * 5)
        closes = run.certificate_available_date + 8 * DAY
        left = int((closes - timezone.now()) / HOUR)
        hours(left - 3)
        openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)

        hours(6)

        assert has_certificate(dana, run)

    @pytest.mark.parametrize(("longest", "gap"), [(0, 1), (1, 1), (6, 6)])
    def test_how_long_it_rests_at_most_is_a_setting(
        self, longest: float, gap: int, run: CourseRun, enrolled: Enrolls, hours: Hours, settings
    ):
        settings.CERTIFICATE_SWEEP_REST_MAX_IN_HOURS = longest
        enrolled(run, **FAILED)
        hours(48)

        first, second, *_ = hours(24)

        assert second - first == gap

    def test_a_run_that_fails_is_asked_hourly(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, hours: Hours
    ):
        enrolled(run, **FAILED)
        openedx.set_fault("401")

        assert hours(6) == [0, 1, 2, 3, 4, 5]

    def test_sweeps_by_hand_make_no_run_rest_sooner(
        self, run: CourseRun, enrolled: Enrolls, hours: Hours
    ):
        enrolled(run, **FAILED)
        hours(1)
        for _ in range(10):
            generate_course_run_certificates(course_run=run)

        assert hours(3) == [0, 1, 2]


class TestWhoAsksAllTheSame:
    def test_whoever_calls_the_function_itself(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        enrolled(run)
        quiet(run)

        generate_course_certificates()
        assert openedx.request_count == 0

        generate_course_run_certificates()
        generate_course_run_certificates(course_run=run)
        assert openedx.request_count == 2


class TestWhatWakesARun:
    def test_nothing(self, run: CourseRun, enrolled: Enrolls):
        enrolled(run)
        quiet(run)

        assert list(get_runs_to_sweep()) == []

    def test_the_date_of_its_certificates(self, run: CourseRun, enrolled: Enrolls, clock: Clock):
        enrolled(run)
        started_on = quiet(run)
        CourseRun.objects.update(certificate_available_date=started_on + HOUR)

        clock.shift(HOUR - timedelta(seconds=1))
        assert list(get_runs_to_sweep()) == []

        clock.shift(timedelta(seconds=1))
        assert list(get_runs_to_sweep()) == [run]

    def test_that_it_closes_before_it_has_rested(
        self, run: CourseRun, enrolled: Enrolls, clock: Clock, settings
    ):
        enrolled(run)
        started_on = quiet(run)
        window = timedelta(days=settings.CERTIFICATE_CREATION_WINDOW_IN_DAYS)

        CourseRun.objects.update(certificate_available_date=started_on + 25 * HOUR - window)
        assert list(get_runs_to_sweep()) == []

        # The next periodic task after the rest would come too late.
        CourseRun.objects.update(certificate_available_date=started_on + 23.5 * HOUR - window)
        assert list(get_runs_to_sweep()) == [run]

        clock.shift(24 * HOUR)
        assert list(get_runs_to_sweep()) == []

    def test_a_change_of_the_run(self, run: CourseRun, enrolled: Enrolls, clock: Clock):
        enrolled(run)
        quiet(run)
        clock.shift(HOUR)
        run.refresh_from_db()
        run.is_self_paced = True
        run.save()

        assert list(get_runs_to_sweep()) == [run]

    def test_a_learner_who_pays(self, run: CourseRun, enrolled: Enrolls, clock: Clock):
        dana = enrolled(run, mode="audit")
        other = CourseRunFactory.create()
        quiet(run)
        quiet(other)
        clock.shift(HOUR)
        enrollment = dana.courserunenrollments.get()
        enrollment.enrollment_mode = "verified"
        enrollment.save()

        assert list(get_runs_to_sweep()) == [run]

    def test_a_new_learner(self, run: CourseRun, enrolled: Enrolls, clock: Clock):
        quiet(run)
        clock.shift(HOUR)
        enrolled(run)

        assert list(get_runs_to_sweep()) == [run]


def test_the_run_whose_sweep_is_longest_ago_comes_first(run: CourseRun, enrolled: Enrolls):
    now = timezone.now()
    old, new = CourseRunFactory.create(), CourseRunFactory.create()
    CourseRunSweepFactory.create(course_run=run, started_on=now - HOUR, next_sweep_on=None)
    CourseRunSweepFactory.create(course_run=old, started_on=now - 2 * HOUR, next_sweep_on=None)

    assert list(get_runs_to_sweep()) == [new, old, run]
