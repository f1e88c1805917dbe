"""The periodic task, and when beat starts it."""

import logging
import uuid
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from courses.tasks import generate_course_certificates
from openedx_certificates.tasks import sweep_course_run
from openedx_certificates.testing.factories import CourseRunFactory, CourseRunSweepFactory
from openedx_certificates.testing.scenes import Enrolls
from tools.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, object]]:
    return [vars(record) for record in caplog.records if vars(record).get("event") == message]


def test_the_task_sweeps_the_eligible_runs_and_logs_what_it_did(
    run: CourseRun, enrolled: Enrolls, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    other = CourseRunFactory.create()
    dana, erin = enrolled(run), enrolled(other)

    generate_course_certificates.delay()

    assert set(CourseRunCertificate.objects.values_list("user", "course_run")) == {
        (dana.pk, run.pk),
        (erin.pk, other.pk),
    }
    (started,) = logged(caplog, "sweep of course certificates started")
    assert started["runs"] == 2
    finished = logged(caplog, "sweep of course run finished")
    assert [line["course_id"] for line in finished] == [run.courseware_id, other.courseware_id]
    assert [line["certificates_created"] for line in finished] == [1, 1]
    assert [line["learners"] for line in finished] == [1, 1]


def test_a_run_that_fails_does_not_fail_the_task(run: CourseRun, enrolled: Enrolls):
    CourseRunFactory.create()
    dana = enrolled(run)

    generate_course_certificates.delay()

    assert CourseRunCertificate.objects.get().user == dana


def test_a_task_that_comes_late_does_not_ask_for_a_run_that_is_closed_or_gone_by_then(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    enrolled(run)
    CourseRun.objects.update(live=False)

    now = timezone.now().isoformat()
    sweep_course_run.delay(run.pk, now)
    sweep_course_run.delay(run.pk + 1, now)

    assert openedx.request_count == 0


def test_a_task_does_not_ask_for_a_run_that_was_swept_since_it_was_sent(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    enrolled(run)
    sent = timezone.now()
    sweep_course_run.delay(run.pk, sent.isoformat())

    sweep_course_run.delay(run.pk, sent.isoformat())
    assert openedx.request_count == 1

    sweep_course_run.delay(run.pk, timezone.now().isoformat())
    assert openedx.request_count == 2


def test_without_celery_a_run_that_somebody_sweeps_holds_up_no_other(
    run: CourseRun, enrolled: Enrolls
):
    other = CourseRunFactory.create()
    CourseRunSweepFactory.create(
        course_run=run,
        lease=uuid.uuid4(),
        leased_until=timezone.now() + timedelta(minutes=1),
    )
    dana = enrolled(other)

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
    assert entry["schedule"].hour == set(range(24))
    assert entry["schedule"].day_of_week == set(range(7))
