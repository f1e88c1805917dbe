"""The periodic task, and when beat starts it."""

import logging

import pytest
from celery import current_app

from courses.conftest import Enrolls
from courses.factories import CourseRunFactory
from courses.models import CourseRun, CourseRunCertificate
from courses.tasks import generate_course_certificates

pytestmark = pytest.mark.django_db


def test_the_task_sweeps_the_eligible_runs_and_logs_what_it_did(
    run: CourseRun, enrolled: Enrolls, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    dana = enrolled(run)

    generate_course_certificates.delay()

    assert CourseRunCertificate.objects.get().user == dana
    (line,) = [record for record in caplog.records if "sweep" in record.getMessage()]
    assert vars(line)["certificates_created"] == 1
    assert vars(line)["learners"] == 1


def test_a_run_that_fails_does_not_fail_the_task(run: CourseRun, enrolled: Enrolls):
    CourseRunFactory.create()
    dana = enrolled(run)

    generate_course_certificates.delay()

    assert CourseRunCertificate.objects.get().user == dana


def test_beat_starts_it_at_the_full_hour():
    (entry,) = [
        entry
        for entry in current_app.conf.beat_schedule.values()
        if entry["task"] == generate_course_certificates.name
    ]

    assert generate_course_certificates.name == "courses.tasks.generate_course_certificates"
    assert entry["schedule"].minute == {0}
    assert entry["options"] == {"expires": 3600}
    assert entry["schedule"].hour == set(range(24))
    assert entry["schedule"].day_of_week == set(range(7))
