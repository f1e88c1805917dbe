"""The periodic sweep asks about every eligible run, each time it comes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun
from courses.tasks import generate_course_certificates
from openedx_certificates.api import get_runs_to_sweep
from openedx_certificates.testing.factories import CourseRunFactory, CourseRunSweepFactory
from openedx_certificates.testing.scenes import FAILED, PASSED, Clock, Enrolls, has_certificate
from tools.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_a_run_in_which_nothing_happens_is_asked_about_each_time(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
):
    dana = enrolled(run, **FAILED)
    for hour in range(24 * 3):
        clock.shift(HOUR)
        generate_course_certificates()
        assert openedx.request_count == hour + 1

    openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
    clock.shift(HOUR)
    generate_course_certificates()

    assert has_certificate(dana, run)


def test_the_run_whose_sweep_is_longest_ago_comes_first(run: CourseRun):
    now = timezone.now()
    old, new = CourseRunFactory.create(), CourseRunFactory.create()
    CourseRunSweepFactory.create(course_run=run, started_on=now - HOUR)
    CourseRunSweepFactory.create(course_run=old, started_on=now - 2 * HOUR)

    assert list(get_runs_to_sweep()) == [new, old, run]
