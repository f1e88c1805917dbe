"""A held request that goes on failing: for three days, and then it is a person's affair."""

from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx.factories import OpenEdxUserFactory
from openedx_certificates.api import process_requests, request_certificate
from openedx_certificates.testing.factories import CourseRunEnrollmentFactory, UserFactory
from openedx_certificates.testing.scenes import Clock, Enrolls, request_of
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
THREE_DAYS = timedelta(days=3)


@pytest.fixture(params=[10, 10**6], ids=["with-pause", "without-pause"], autouse=True)
def pause_after(request: pytest.FixtureRequest, settings) -> None:
    """The same holds whether or not the failures of all lead to a pause."""
    settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = request.param


def passes_of(span: timedelta, clock: Clock, user: User, run: CourseRun) -> None:
    """Move the clock on by hours, with a pass each time; the request stays open."""
    ends = timezone.now() + span
    while timezone.now() < ends:
        clock.shift(min(6 * HOUR, ends - timezone.now()))
        process_requests()
        assert request_of(user, run).is_open


def test_it_is_given_up_after_three_days_and_not_before(
    run: CourseRun,
    enrolled: Enrolls,
    openedx: SimulatedOpenEdx,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
):
    dana = enrolled(run)
    openedx.set_fault("500")
    request_certificate(dana, run)
    passes_of(THREE_DAYS - HOUR, clock, dana, run)
    caplog.clear()

    clock.shift(HOUR + timedelta(seconds=1))
    summary = process_requests()

    assert summary.settled == {"failed": 1}
    request = request_of(dana, run)
    assert (request.status, request.settled_on) == ("failed", timezone.now())
    assert request.last_error == "unreachable"
    assert request.lease is None
    (line,) = [record for record in caplog.records if "given up" in record.getMessage()]
    assert line.levelname == "ERROR"


def test_it_stays_visible_and_is_not_asked_for_again(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
):
    dana = enrolled(run)
    openedx.set_fault("500")
    request_certificate(dana, run)
    clock.shift(THREE_DAYS)
    process_requests()
    openedx.clear_fault()
    openedx.clear_requests()

    clock.shift(timedelta(days=30))
    process_requests(ignore_due=True)

    assert request_of(dana, run).status == "failed"
    assert openedx.requests == []


def test_an_outage_that_ends_within_three_days_loses_nothing(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
):
    learners = [enrolled(run) for _ in range(3)]
    openedx.set_fault("500")
    for learner in learners:
        request_certificate(learner, run)
    passes_of(THREE_DAYS - HOUR, clock, learners[0], run)
    openedx.clear_fault()

    clock.shift(HOUR)
    process_requests()

    assert {request_of(learner, run).status for learner in learners} == {"created"}
    assert CourseRunCertificate.objects.count() == 3


def test_an_event_that_joins_shortly_before_the_end_has_three_days_of_its_own(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
):
    dana = enrolled(run)
    openedx.set_fault("500")
    request_certificate(dana, run)
    passes_of(THREE_DAYS - 2 * HOUR, clock, dana, run)

    request_certificate(dana, run)
    passes_of(THREE_DAYS - HOUR, clock, dana, run)
    clock.shift(HOUR + timedelta(seconds=1))
    process_requests()

    request = request_of(dana, run)
    assert (request.status, request.deliveries) == ("failed", 2)


def test_after_a_week_without_a_worker_open_edx_is_asked_before_anything_is_given_up(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
):
    learners = [enrolled(run) for _ in range(12)]
    openedx.set_fault("500")
    for learner in learners:
        request_certificate(learner, run)
    openedx.clear_fault()

    clock.shift(timedelta(days=7))
    process_requests()

    assert {request_of(learner, run).status for learner in learners} == {"created"}


def test_a_failure_after_an_answer_has_three_days_of_its_own(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
):
    dana = enrolled(run, passed=False, percent=0.4)
    openedx.set_fault("500")
    request_certificate(dana, run)
    passes_of(timedelta(days=2), clock, dana, run)
    openedx.clear_fault()
    clock.shift(HOUR)
    process_requests()
    openedx.set_fault("500")

    passes_of(timedelta(days=2), clock, dana, run)

    assert request_of(dana, run).failing_since > timezone.now() - THREE_DAYS


def test_a_missing_username_is_waited_for_slowly_and_somebody_is_called(
    run: CourseRun,
    openedx: SimulatedOpenEdx,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
):
    dana = UserFactory.create(openedx_user=None)
    CourseRunEnrollmentFactory.create(user=dana, run=run)

    assert request_certificate(dana, run) is None

    request = request_of(dana, run)
    assert (request.is_open, request.last_error) == (True, "no_edx_username")
    assert request.next_attempt_on - timezone.now() >= timedelta(minutes=5)
    (line,) = [record for record in caplog.records if "deferred" in record.getMessage()]
    assert (line.levelname, vars(line)["error"]) == ("ERROR", "no_edx_username")
    assert openedx.requests == []


def test_a_missing_username_that_is_filled_in_later_settles_the_request(
    run: CourseRun, openedx: SimulatedOpenEdx, clock: Clock
):
    dana = UserFactory.create(openedx_user=None)
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    request_certificate(dana, run)
    passes_of(timedelta(days=2), clock, dana, run)

    OpenEdxUserFactory.create(user=dana, edx_username="dana")
    openedx.enroll(run.courseware_id, "dana", passed=True, percent=0.9)
    clock.shift(HOUR)
    process_requests()

    assert request_of(dana, run).status == "created"
    assert CourseRunCertificate.objects.get().user == dana


def test_a_username_that_never_comes_fails_the_request_in_the_end(
    run: CourseRun, openedx: SimulatedOpenEdx, clock: Clock
):
    dana = UserFactory.create(openedx_user=None)
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    request_certificate(dana, run)
    passes_of(THREE_DAYS - HOUR, clock, dana, run)

    clock.shift(HOUR + timedelta(seconds=1))
    process_requests()

    assert request_of(dana, run).status == "failed"
