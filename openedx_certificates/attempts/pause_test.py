"""Open edX is down: after ten failures in a row only one probe at a time asks."""

from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import process_requests, reopen, request_certificate
from openedx_certificates.held.pause import claim_probe, get_pause, note_outage
from openedx_certificates.models import CertificateRequest
from openedx_certificates.settings import app_settings
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunFactory,
    OpenEdxPauseFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import FAILED, Clock, Enrolls, request_of
from openedx_certificates.wire.exceptions import OpenEdxThrottled, OpenEdxUnreachable
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

MOMENT = timedelta(milliseconds=1)
TEN = 10


@pytest.fixture
def outage(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
) -> list[User]:
    """Twelve learners with events from when Open edX was down: ten questions, and then a pause."""
    learners = [enrolled(run) for _ in range(TEN + 2)]
    openedx.set_fault("500")
    for learner in learners:
        assert request_certificate(learner, run) is None
    assert openedx.request_count == TEN
    openedx.clear_requests()
    return learners


def statuses(learners: list[User], run: CourseRun) -> set[str]:
    return {request_of(learner, run).status for learner in learners}


class TestItBegins:
    def test_after_ten_failures_in_a_row_a_pass_asks_nothing(
        self, outage: list[User], openedx: SimulatedOpenEdx
    ):
        summary = process_requests()

        assert openedx.requests == []
        assert (summary.is_paused, summary.taken_up) == (True, 0)
        pause = get_pause()
        assert (pause.is_on, pause.failures, pause.since) == (True, TEN, timezone.now())

    def test_an_event_is_held_without_a_question_and_is_due(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx
    ):
        last = request_of(outage[-1], run)

        assert (last.is_open, last.attempts) == (True, 0)
        assert last.next_attempt_on == timezone.now()
        assert last.lease is None

    def test_a_pass_that_runs_into_it_asks_no_further(
        self, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        for _ in range(2 * TEN):
            run = CourseRunFactory.create()
            CertificateRequestFactory.create(user=enrolled(run), course_run=run)
        openedx.set_fault("500")

        summary = process_requests()

        assert openedx.request_count == TEN
        assert (summary.deferred, summary.is_paused) == (TEN, True)

    def test_one_success_in_between_starts_the_count_anew(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        for _ in range(TEN - 1):
            openedx.set_fault("500")
            request_certificate(enrolled(run), run)
        openedx.clear_fault()
        request_certificate(enrolled(run), run)
        openedx.set_fault("500")
        request_certificate(enrolled(run), run)

        assert (get_pause().is_on, get_pause().failures) == (False, 1)

    @pytest.mark.parametrize("fault", ["404", "empty-list"])
    def test_failures_of_single_learners_do_not_begin_it(
        self, fault: str, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        openedx.set_fault(fault)

        for _ in range(2 * TEN):
            request_certificate(enrolled(run), run)

        assert openedx.request_count == 2 * TEN
        assert not get_pause().is_on


class TestTheProbe:
    def test_it_is_one_question_when_its_time_has_come(
        self, outage: list[User], openedx: SimulatedOpenEdx, clock: Clock
    ):
        clock.shift(timedelta(seconds=10) - MOMENT)
        process_requests()
        assert openedx.requests == []

        clock.shift(2 * MOMENT)
        summary = process_requests()
        process_requests()

        assert openedx.request_count == 1
        assert (summary.deferred, summary.is_paused) == (1, True)

    def test_each_that_fails_makes_the_next_wait_longer_from_10_seconds_to_5_minutes(
        self, outage: list[User], openedx: SimulatedOpenEdx, clock: Clock
    ):
        waits = []

        for _ in range(9):
            waits.append(round((get_pause().next_probe_on - timezone.now()).total_seconds()))
            clock.move_to(get_pause().next_probe_on + MOMENT)
            process_requests()

        assert waits == [10, 10, 20, 40, 80, 160, 300, 300, 300]
        assert openedx.request_count == len(waits)

    @pytest.mark.parametrize("fault", ["503:86400", "429:86400"])
    def test_it_comes_within_5_minutes_whatever_retry_after_a_maintenance_page_has(
        self,
        fault: str,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        clock: Clock,
    ):
        learners = [enrolled(run) for _ in range(TEN)]
        openedx.set_fault(fault)
        for learner in learners:
            request_certificate(learner, run)
        clock.shift(timedelta(hours=1))
        process_requests()
        assert get_pause().is_on
        openedx.clear_fault()

        clock.shift(timedelta(minutes=5) + MOMENT)
        process_requests()

        assert statuses(learners, run) == {"created"}

    @pytest.mark.parametrize("is_probe", [True, False])
    def test_no_failure_puts_it_off_by_more_than_5_minutes(
        self, is_probe: bool, outage: list[User], clock: Clock
    ):
        clock.shift(timedelta(hours=1))
        assert claim_probe()

        note_outage(OpenEdxThrottled("Come tomorrow.", retry_after=86_400), is_probe=is_probe)

        clock.shift(timedelta(minutes=5) + MOMENT)
        assert claim_probe()

    def test_it_lets_all_the_rest_through_when_it_succeeds_due_or_not(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx, clock: Clock
    ):
        CertificateRequest.objects.filter(attempts=1).update(
            next_attempt_on=timezone.now() + timedelta(hours=1)
        )
        openedx.clear_fault()

        clock.shift(timedelta(seconds=11))
        summary = process_requests()

        assert statuses(outage, run) == {"created"}
        assert summary.settled == {"created": len(outage)}
        assert not summary.is_paused
        assert not get_pause().is_on
        assert CourseRunCertificate.objects.count() == len(outage)

    @pytest.mark.parametrize("fault", ["404", "empty-list"])
    def test_it_succeeds_where_only_its_own_learner_fails(
        self,
        fault: str,
        outage: list[User],
        run: CourseRun,
        openedx: SimulatedOpenEdx,
        clock: Clock,
    ):
        CertificateRequest.objects.filter(user=outage[3]).update(next_attempt_on=run.created_on)
        openedx.set_fault(Fault.parse(fault, on=f"username:{outage[3].edx_username}"))
        clock.shift(timedelta(seconds=11))

        process_requests()

        assert openedx.requests[0].username == outage[3].edx_username
        assert request_of(outage[3], run).is_open
        assert statuses([*outage[:3], *outage[4:]], run) == {"created"}
        assert not get_pause().is_on

    def test_a_learner_without_a_username_is_no_probe_and_the_next_one_is(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx, clock: Clock
    ):
        nobody = UserFactory.create(openedx_user=None)
        CertificateRequestFactory.create(
            user=nobody, course_run=run, next_attempt_on=run.created_on
        )
        openedx.clear_fault()
        clock.shift(timedelta(seconds=11))

        process_requests()

        assert statuses(outage, run) == {"created"}
        assert request_of(nobody, run).last_error == "no_edx_username"

    def test_one_that_died_leaves_the_turn_to_the_next_after_the_lease(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx, clock: Clock, settings
    ):
        openedx.clear_fault()
        clock.shift(timedelta(seconds=11))
        assert claim_probe()

        process_requests()
        assert openedx.requests == []
        clock.shift(timedelta(seconds=app_settings.REQUEST_LEASE) + MOMENT)
        process_requests()

        assert statuses(outage, run) == {"created"}

    def test_one_that_died_with_a_long_lease_holds_the_turn_for_5_minutes_at_most(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx, clock: Clock, settings
    ):
        settings.OPENEDX_CERTIFICATES_REQUEST_LEASE = 3600
        openedx.clear_fault()
        clock.shift(timedelta(seconds=11))
        assert claim_probe()

        clock.shift(timedelta(minutes=5) + MOMENT)
        process_requests()

        assert statuses(outage, run) == {"created"}

    def test_it_does_not_ask_early_for_who_waits_because_of_not_passed(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run, **FAILED)
        CertificateRequestFactory.create(
            user=dana,
            course_run=run,
            not_passed_answers=3,
            next_attempt_on=timezone.now() + timedelta(minutes=10),
        )
        OpenEdxPauseFactory.create()

        clock.shift(timedelta(minutes=1))
        process_requests()

        assert openedx.requests == []
        assert request_of(dana, run).is_open


class TestWhoIgnoresIt:
    def test_a_pass_over_all_asks_for_all(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx
    ):
        openedx.clear_fault()

        process_requests(ignore_due=True)

        assert statuses(outage, run) == {"created"}
        assert not get_pause().is_on

    def test_a_replayed_request_is_taken_up_and_no_other(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx
    ):
        reopen(CertificateRequest.objects.filter(user=outage[5]))

        process_requests()

        (question,) = openedx.requests
        assert question.username == outage[5].edx_username
        assert not request_of(outage[5], run).ignores_pause

    def test_a_replayed_request_comes_before_all_others(
        self, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        first, second = CourseRunFactory.create_batch(2)
        CertificateRequestFactory.create(user=enrolled(first), course_run=first)
        replayed = CertificateRequestFactory.create(user=enrolled(second), course_run=second)
        reopen(CertificateRequest.objects.filter(pk=replayed.pk))

        process_requests()

        asked = [question.username for question in openedx.requests]
        assert (asked[0], len(asked)) == (replayed.user.edx_username, 2)

    def test_a_replayed_request_that_is_answered_ends_it(
        self, outage: list[User], run: CourseRun, openedx: SimulatedOpenEdx
    ):
        reopen(CertificateRequest.objects.filter(user=outage[5]))
        openedx.clear_fault()

        process_requests()
        assert not get_pause().is_on
        process_requests()

        assert statuses(outage, run) == {"created"}


class TestItLasts:
    def test_what_was_never_asked_for_is_given_up_after_three_days_of_it_and_not_before(
        self, outage: list[User], run: CourseRun, clock: Clock, caplog: pytest.LogCaptureFixture
    ):
        clock.shift(timedelta(seconds=10))
        process_requests()
        clock.shift(timedelta(days=3) - timedelta(minutes=1))
        process_requests()
        assert statuses(outage, run) == {"open"}

        clock.shift(timedelta(minutes=6))
        caplog.clear()
        process_requests()

        assert statuses(outage, run) == {"failed"}
        assert any(record.levelname == "ERROR" for record in caplog.records)

    def test_an_event_that_joins_has_three_days_of_its_own(
        self, outage: list[User], run: CourseRun, clock: Clock
    ):
        clock.shift(timedelta(seconds=10))
        process_requests()
        clock.shift(timedelta(days=2, hours=23))
        request_certificate(outage[-1], run)

        clock.shift(timedelta(days=2))
        process_requests()
        process_requests()

        assert request_of(outage[-1], run).is_open
        assert request_of(outage[0], run).status == "failed"

    def test_nothing_is_given_up_by_who_has_not_seen_a_question_fail(
        self, outage: list[User], run: CourseRun, clock: Clock
    ):
        clock.shift(timedelta(seconds=10))
        process_requests()
        clock.shift(timedelta(days=4))
        assert claim_probe()

        process_requests()

        assert statuses(outage, run) == {"open"}

    def test_a_course_that_is_broken_by_itself_keeps_no_other_waiting(
        self, outage: list[User], enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        good = CourseRunFactory.create(self_paced=True)
        dana = enrolled(good)
        openedx.set_fault(*(Fault("500", username=str(user.edx_username)) for user in outage))
        for _ in range(30):
            clock.shift(timedelta(minutes=5))
            process_requests()

        assert request_certificate(dana, good) is None
        clock.shift(timedelta(minutes=5))
        process_requests()

        assert request_of(dana, good).status == "created"

    def test_a_question_from_before_it_lets_no_second_probe_through(
        self, outage: list[User], clock: Clock
    ):
        clock.shift(timedelta(seconds=10))
        assert claim_probe()

        note_outage(OpenEdxUnreachable("It was asked before the pause."))
        clock.shift(timedelta(seconds=30))

        assert not claim_probe()
