"""The figures: each request in the one hour and outcome it belongs to, each run as its sweep left it."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from openedx_certificates.figures import (
    OUTCOMES,
    OVERDUE_AFTER,
    OpenRequests,
    SweepFigures,
    count_settled,
    count_settled_by,
    find_oldest_open,
    get_failing_sweeps,
    read_open_requests,
    read_sweep_figures,
)
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunFactory,
    CourseRunSweepFactory,
)
from openedx_certificates.testing.scenes import Clock

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NONE = dict.fromkeys(OUTCOMES, 0)


def settle(settled_on: datetime, status: str = "created", reason: str = "") -> CertificateRequest:
    return CertificateRequestFactory.create(status=status, reason=reason, settled_on=settled_on)


@pytest.fixture
def noon(clock: Clock) -> datetime:
    """It is noon, and stays so."""
    clock.move_to(NOON)
    return NOON


class TestOpenRequests:
    def test_without_any_there_is_no_oldest(self):
        assert read_open_requests() == OpenRequests(
            count=0, oldest_on=None, failing=0, due=0, overdue=0
        )

    def test_what_is_settled_is_not_counted(self, noon: datetime):
        oldest = CertificateRequestFactory.create(failing_since=noon, last_error="timeout")
        CertificateRequest.objects.update(created_on=noon - DAY)
        CertificateRequestFactory.create(next_attempt_on=noon + INSTANT)
        failed = settle(noon, "failed")
        CertificateRequest.objects.filter(pk=failed.pk).update(
            created_on=noon - 2 * DAY, failing_since=noon - DAY
        )

        found = read_open_requests()

        oldest.refresh_from_db()
        assert found == OpenRequests(
            count=2, oldest_on=oldest.created_on, failing=1, due=1, overdue=0
        )

    @pytest.mark.parametrize(
        ("until", "due"),
        [(timedelta(minutes=1), 0), (timedelta(0), 1), (400 * DAY, 1)],
        ids=["at work", "the lease has run out", "the lease is from a wrong clock"],
    )
    def test_what_somebody_works_on_is_not_due(self, noon: datetime, until: timedelta, due: int):
        CertificateRequestFactory.create(lease=uuid.uuid4(), leased_until=noon + until)

        assert read_open_requests().due == due

    def test_what_has_been_due_for_minutes_is_overdue(self, noon: datetime):
        CertificateRequestFactory.create(next_attempt_on=noon - OVERDUE_AFTER)
        CertificateRequestFactory.create(next_attempt_on=noon - OVERDUE_AFTER + INSTANT)

        found = read_open_requests()

        assert (found.due, found.overdue) == (2, 1)

    def test_the_oldest_is_the_one_that_was_made_first(self, noon: datetime):
        assert find_oldest_open() is None
        CertificateRequestFactory.create()
        oldest = CertificateRequestFactory.create()
        CertificateRequest.objects.filter(pk=oldest.pk).update(created_on=noon - HOUR)

        assert find_oldest_open() == oldest


class TestSettled:
    @pytest.mark.parametrize(
        ("status", "reason", "outcome"),
        [
            ("created", "", "created"),
            ("exists", "", "exists"),
            ("revoked", "", "revoked"),
            ("not_eligible", "grade_not_passed", "grade_not_passed"),
            ("not_eligible", "no_paid_enrollment", "no_paid_enrollment"),
            ("failed", "", "failed"),
        ],
    )
    def test_each_end_is_an_outcome(self, noon: datetime, status: str, reason: str, outcome: str):
        settle(noon, status, reason)

        assert count_settled(noon) == {**NONE, outcome: 1}

    def test_there_is_an_outcome_for_each_end_there_can_be(self):
        ends = {*CertificateRequest.Status.values, *CertificateRequest.Reason.values}

        assert set(OUTCOMES) == ends - {"open", "not_eligible", ""}

    def test_what_waits_after_not_passed_is_no_outcome(self, noon: datetime):
        CertificateRequestFactory.create(reason="grade_not_passed")

        assert count_settled(noon - DAY) == NONE

    def test_it_counts_from_the_moment_on(self, noon: datetime):
        settle(noon)
        settle(noon - INSTANT)

        assert count_settled(noon) == {**NONE, "created": 1}


class TestSettledBy:
    def test_an_hour_has_what_was_settled_from_its_first_moment_to_before_the_next(
        self, noon: datetime, clock: Clock
    ):
        clock.shift(timedelta(minutes=40))
        settle(noon - HOUR - INSTANT)
        settle(noon - HOUR, "failed")
        settle(noon - INSTANT, "exists")
        settle(noon, "revoked")

        lines = count_settled_by("hour", noon - HOUR, timezone.now())

        assert lines == [
            (noon - HOUR, {**NONE, "failed": 1, "exists": 1}),
            (noon, {**NONE, "revoked": 1}),
        ]

    def test_a_day_is_one_of_utc(self, noon: datetime):
        midnight = noon - 12 * HOUR
        settle(midnight - INSTANT)
        settle(midnight)
        settle(noon)

        with timezone.override("America/New_York"):
            lines = count_settled_by("day", noon - DAY, noon)

        assert lines == [
            (midnight - DAY, {**NONE, "created": 1}),
            (midnight, {**NONE, "created": 2}),
        ]
        assert lines[0][0].utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        ("unit", "since", "count"), [("hour", 23 * HOUR, 24), ("day", 13 * DAY, 14)]
    )
    def test_where_nothing_was_settled_there_are_zeros(
        self, noon: datetime, unit: str, since: timedelta, count: int
    ):
        lines = count_settled_by(unit, noon - since, noon)

        assert [counts for _, counts in lines] == [NONE] * count

    def test_the_hour_that_has_just_begun_is_there(self, noon: datetime):
        assert [begin for begin, _ in count_settled_by("hour", noon, noon)] == [noon]

    def test_it_is_one_statement(self, noon: datetime, django_assert_num_queries):
        for hours in range(20):
            settle(noon - hours * HOUR)

        with django_assert_num_queries(1):
            count_settled_by("hour", noon - 23 * HOUR, noon)


class TestSweeps:
    def test_without_runs_there_is_nothing(self):
        assert read_sweep_figures(timezone.now()) == SweepFigures(
            runs=0,
            broke_off=0,
            with_failed_learners=0,
            failing=0,
            last_finished_on=None,
            certificates_created=0,
        )

    def test_it_tells_how_the_last_sweeps_went(self, noon: datetime, django_assert_num_queries):
        CourseRunFactory.create()
        CourseRunSweepFactory.create(started_on=None, finished_on=None)
        last = CourseRunSweepFactory.create(
            error="timeout", failed_learners=1, certificates_created=3
        )
        CourseRunSweepFactory.create(
            failed_learners=2, started_on=noon - HOUR, certificates_created=4
        )
        CourseRunSweepFactory.create(started_on=noon - HOUR)

        with django_assert_num_queries(1):
            found = read_sweep_figures(timezone.now())

        assert found == SweepFigures(
            runs=5,
            broke_off=1,
            with_failed_learners=2,
            failing=2,
            last_finished_on=last.finished_on,
            certificates_created=7,
        )

    def test_a_run_that_is_not_swept_any_more_says_nothing(self, noon: datetime):
        CourseRunSweepFactory.create(course_run__live=False, error="timeout", failed_learners=1)

        found = read_sweep_figures(timezone.now())

        assert (found.runs, found.broke_off, found.with_failed_learners) == (0, 0, 0)
        assert found.last_finished_on is None
        assert not get_failing_sweeps(timezone.now())

    def test_those_that_broke_off_come_first_then_those_with_most_failed_learners(self):
        two = CourseRunSweepFactory.create(failed_learners=2)
        three = CourseRunSweepFactory.create(failed_learners=3)
        broke_off = CourseRunSweepFactory.create(error="timeout")
        CourseRunSweepFactory.create()

        assert list(get_failing_sweeps(timezone.now())) == [broke_off, three, two]
