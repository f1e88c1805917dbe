"""The figures as metrics: what each says of the rows there are."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oauth2_provider.models import AccessToken

from courses.models import CourseRun
from openedx_certificates.models import CertificateRequest, CourseRunSweep, OpenEdxPause
from openedx_certificates.testing.factories import CourseRunFactory, UserFactory
from openedx_certificates.testing.scenes import Clock
from users.models import User

pytest.importorskip("prometheus_client", reason="The extra [metrics] is not installed.")

from openedx_certificates.metrics import Figures, describe

pytestmark = pytest.mark.django_db

Status = CertificateRequest.Status


def read() -> dict[str, float]:
    """Return what is told, by the names without what they have in common."""
    return {
        "".join(
            [sample.name.removeprefix("mitxonline_certificate_"), *map(str, sample.labels.values())]
        ): sample.value
        for metric in describe(Figures.read())
        for sample in metric.samples
    }


def test_an_empty_site_says_so_in_zeros(clock: Clock):
    told = read()

    assert told["database_up"] == 1
    assert told["open_requests"] == told["oldest_open_request_age_seconds"] == 0
    assert told["openedx_paused"] == told["openedx_failures_in_a_row"] == 0
    assert told["sweep_runs"] == told["sweep_certificates_created"] == 0
    assert told["requests_settled_last_dayfailed"] == 0
    assert told["webhook_token_seconds_left"] == 0
    assert not [name for name in told if "timestamp" in name]


def test_the_held_requests_are_counted_and_the_oldest_is_so_old(clock: Clock):
    CertificateRequest.objects.create(user=UserFactory.create(), course_run=CourseRunFactory())
    clock.shift(timedelta(minutes=90))
    CertificateRequest.objects.create(
        user=UserFactory.create(),
        course_run=CourseRunFactory(),
        failing_since=timezone.now(),
        next_attempt_on=timezone.now() + timedelta(hours=1),
    )

    told = read()

    assert told["open_requests"] == 2
    assert told["open_requests_due"] == told["open_requests_overdue"] == 1
    assert told["open_requests_failing"] == 1
    assert told["oldest_open_request_age_seconds"] == 5400


def test_what_was_settled_on_the_last_day_is_counted_by_outcome(clock: Clock):
    for hours, status, reason in [
        (1, Status.CREATED, ""),
        (23, Status.FAILED, ""),
        (23, Status.NOT_ELIGIBLE, "grade_not_passed"),
        (25, Status.FAILED, ""),
    ]:
        CertificateRequest.objects.create(
            user=UserFactory.create(),
            course_run=CourseRunFactory(),
            status=status,
            reason=reason,
            settled_on=timezone.now() - timedelta(hours=hours),
        )

    told = read()

    assert told["requests_settled_last_daycreated"] == 1
    assert told["requests_settled_last_dayfailed"] == 1
    assert told["requests_settled_last_daygrade_not_passed"] == 1
    assert told["requests_settled_last_dayno_paid_enrollment"] == 0


def test_a_pause_is_told_with_its_beginning(clock: Clock):
    now = timezone.now()
    OpenEdxPause.objects.create(pk=1, failures=10, since=now, next_probe_on=now)

    told = read()

    assert told["openedx_paused"] == 1
    assert told["openedx_failures_in_a_row"] == 10
    assert told["openedx_paused_since_timestamp_seconds"] == now.timestamp()


def test_failures_before_a_pause_are_told_and_no_pause(clock: Clock):
    OpenEdxPause.objects.create(pk=1, failures=3)

    told = read()

    assert (told["openedx_paused"], told["openedx_failures_in_a_row"]) == (0, 3)
    assert "openedx_paused_since_timestamp_seconds" not in told


def test_the_sweeps_are_told_by_what_the_last_of_each_run_came_to(clock: Clock):
    broken_off, with_failures, well, _never_swept = CourseRunFactory.create_batch(4)
    now = timezone.now()
    results: list[tuple[CourseRun, dict[str, Any]]] = [
        (broken_off, {"error": "timeout", "certificates_created": 2}),
        (with_failures, {"failed_learners": 3, "certificates_created": 1}),
        (well, {}),
    ]
    for minutes, (run, result) in enumerate(results):
        finished_on = now - timedelta(minutes=minutes)
        CourseRunSweep.objects.create(
            course_run=run, started_on=finished_on, finished_on=finished_on, **result
        )

    told = read()

    assert told["sweep_runs"] == 4
    assert told["sweep_runs_broken_off"] == told["sweep_runs_with_failed_learners"] == 1
    assert told["sweep_certificates_created"] == 3
    assert told["sweep_last_finished_timestamp_seconds"] == now.timestamp()


def test_the_token_that_ends_last_is_told_and_none_that_opens_nothing(
    clock: Clock, staff_user: User
):
    now = timezone.now()
    for user, days in [(staff_user, 3), (staff_user, 10), (UserFactory.create(), 100), (None, 100)]:
        AccessToken.objects.create(
            user=user, token=f"token-{user}-{days}", expires=now + timedelta(days=days)
        )
    before = read()["webhook_token_seconds_left"]

    clock.shift(timedelta(days=10))

    assert (before, read()["webhook_token_seconds_left"]) == (10 * 86_400, 0)


def test_the_rows_are_never_read_one_by_one(clock: Clock):
    for _ in range(3):
        CertificateRequest.objects.create(user=UserFactory.create(), course_run=CourseRunFactory())

    with CaptureQueriesContext(
        connection,
    ) as statements:
        read()

    assert len(statements) == 6


def test_without_a_database_only_that_is_told():
    (metric,) = describe(None)

    (sample,) = metric.samples
    assert (sample.name, sample.value) == ("mitxonline_certificate_database_up", 0)
