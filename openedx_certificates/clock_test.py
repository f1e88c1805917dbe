"""A process with a wrong clock does no harm, and a moment that can't be is taken for unknown."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from courses.tasks import generate_course_certificates
from openedx_certificates.api import (
    CertificateOutcome,
    RunIsSwept,
    generate_course_run_certificates,
    process_requests,
    prune_requests,
    reopen,
    request_certificate,
)
from openedx_certificates.clock import database_now
from openedx_certificates.held.queue import claim
from openedx_certificates.held.replays import Left
from openedx_certificates.models import CertificateRequest, CourseRunSweep, OpenEdxPause, ZeroNote
from openedx_certificates.settings import app_settings
from openedx_certificates.sweeps.leases import claim_sweep
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunSweepFactory,
    OpenEdxPauseFactory,
)
from openedx_certificates.testing.scenes import (
    PASSED,
    ZERO,
    Clock,
    Enrolls,
    certify,
    has_certificate,
    request_of,
)
from tools.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FAR = 400 * DAY


@pytest.fixture(params=[HOUR, -HOUR], ids=["an-hour-ahead", "an-hour-behind"])
def off(request: pytest.FixtureRequest) -> Iterator[timedelta]:
    """The clock of this process is wrong by so much, and the database's is right."""
    with time_machine.travel(timezone.now() + request.param):
        yield request.param


class TestWrongClock:
    def test_an_event_that_it_holds_is_due_at_once_for_others(
        self, run: CourseRun, enrolled: Enrolls, off: timedelta, settings
    ):
        settings.OPENEDX_CERTIFICATES_WEBHOOK_ASYNC = True
        dana = enrolled(run)
        before = database_now()

        request_certificate(dana, run)

        request = request_of(dana, run)
        assert request.created_on == request.next_attempt_on == request.last_delivered_on
        assert before <= request.next_attempt_on <= database_now()

    def test_what_failed_is_tried_again_within_seconds(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, off: timedelta
    ):
        dana = enrolled(run)
        openedx.set_fault("500")
        before = database_now()

        request_certificate(dana, run)

        request = request_of(dana, run)
        assert before <= request.failing_since <= database_now()
        delay = request.next_attempt_on - request.failing_since
        assert timedelta(seconds=2) < delay <= timedelta(seconds=5)

    def test_its_lease_ends_when_the_database_says(self, off: timedelta, settings):
        request = CertificateRequestFactory.create(next_attempt_on=database_now())
        before = database_now()

        lease = claim(CertificateRequest.objects.all())

        request.refresh_from_db()
        assert request.lease == lease
        length = timedelta(seconds=app_settings.REQUEST_LEASE)
        assert before <= request.leased_until - length <= database_now()

    def test_it_takes_nothing_from_one_that_is_at_work(
        self, run: CourseRun, off: timedelta, settings
    ):
        soon = database_now() + MINUTE
        CertificateRequestFactory.create(lease=uuid.uuid4(), leased_until=soon)
        CourseRunSweepFactory.create(course_run=run, lease=uuid.uuid4(), leased_until=soon)

        assert claim(CertificateRequest.objects.all()) is None
        replay = reopen(CertificateRequest.objects.all())
        assert (replay.started, replay.left) == (frozenset(), {Left.AT_WORK: 1})
        with pytest.raises(RunIsSwept):
            claim_sweep(run)

    @pytest.mark.site("The certificate's page and model are the host's.")
    def test_a_certificate_that_it_issues_is_public_at_once(
        self, run: CourseRun, enrolled: Enrolls, off: timedelta, client: Client
    ):
        dana = enrolled(run)

        assert request_certificate(dana, run) is CertificateOutcome.CREATED

        assert has_certificate(dana, run)
        certificate = CourseRunCertificate.objects.get()
        assert client.get(certificate.link).status_code == 200
        assert database_now() - MINUTE < certificate.issue_date <= database_now()

    @pytest.mark.site("The certificate's page and model are the host's.")
    def test_a_certificate_that_the_model_makes_is_dated_by_the_database(
        self, run: CourseRun, off: timedelta, user
    ):
        made = CourseRunCertificate.objects.create(user=user, course_run=run)

        assert CourseRunCertificate.objects.get() == made
        assert database_now() - MINUTE < made.issue_date <= database_now()

    def test_it_issues_by_the_runs_date_and_not_before_or_after(
        self, run: CourseRun, enrolled: Enrolls, off: timedelta
    ):
        dana = enrolled(run)
        now = database_now()

        CourseRun.objects.update(certificate_available_date=now + HOUR / 2)
        generate_course_run_certificates()
        assert not has_certificate(dana, run)

        CourseRun.objects.update(certificate_available_date=now - HOUR / 2)
        generate_course_run_certificates()
        assert has_certificate(dana, run)

    def test_its_sweep_is_dated_by_the_database(
        self, run: CourseRun, enrolled: Enrolls, off: timedelta
    ):
        enrolled(run)
        before = database_now()

        generate_course_certificates()

        sweep = CourseRunSweep.objects.get()
        assert before <= sweep.started_on <= sweep.finished_on <= database_now()

    def test_a_pause_that_it_begins_is_probed_in_time(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, off: timedelta, settings
    ):
        settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = 1
        dana = enrolled(run)
        openedx.set_fault("500")
        before = database_now()

        request_certificate(dana, run)

        pause = OpenEdxPause.objects.get()
        assert before <= pause.since <= database_now()
        assert pause.next_probe_on - pause.since == timedelta(seconds=10)
        process_requests()
        assert openedx.request_count == 1

    def test_a_zero_that_it_hears_twice_within_minutes_takes_nothing_away(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        generate_course_run_certificates()
        openedx.set_grade(run.courseware_id, dana.edx_username, **ZERO)
        generate_course_run_certificates()

        with time_machine.travel(timezone.now() + DAY):
            generate_course_run_certificates()

        assert has_certificate(dana, run)

    def test_it_deletes_no_request_before_its_time(self):
        CertificateRequestFactory.create(status="created", settled_on=timezone.now())

        with time_machine.travel(timezone.now() + FAR):
            assert prune_requests() == 0


class TestTimeInTheFuture:
    """Written while a clock was wrong; or the database's own was, and was set back."""

    def test_a_lease_without_end_is_free(self, run: CourseRun, enrolled: Enrolls):
        dana = enrolled(run)
        CertificateRequestFactory.create(
            user=dana, course_run=run, lease=uuid.uuid4(), leased_until=timezone.now() + FAR
        )

        assert process_requests().settled == {"created": 1}

    def test_an_event_that_joins_a_request_with_such_a_lease_is_asked_for(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(
            user=dana, course_run=run, lease=uuid.uuid4(), leased_until=timezone.now() + FAR
        )

        assert request_certificate(dana, run) is CertificateOutcome.CREATED

    def test_a_lease_of_twice_the_length_is_still_its_holders(self, clock: Clock, settings):
        longest = timedelta(seconds=2 * app_settings.REQUEST_LEASE)
        CertificateRequestFactory.create(lease=uuid.uuid4(), leased_until=timezone.now() + longest)

        assert claim(CertificateRequest.objects.all()) is None

        clock.shift(-timedelta(microseconds=1))
        assert claim(CertificateRequest.objects.all()) is not None

    def test_a_run_whose_lease_has_no_end_is_swept(self, run: CourseRun, enrolled: Enrolls):
        dana = enrolled(run)
        CourseRunSweepFactory.create(
            course_run=run, lease=uuid.uuid4(), leased_until=timezone.now() + FAR
        )

        generate_course_certificates()

        assert has_certificate(dana, run)

    def test_a_run_that_was_swept_in_400_days_is_swept(self, run: CourseRun, enrolled: Enrolls):
        dana = enrolled(run)
        CourseRunSweepFactory.create(course_run=run, started_on=timezone.now() + FAR)

        generate_course_certificates()

        assert has_certificate(dana, run)
        assert CourseRunSweep.objects.get().started_on <= database_now()

    def test_an_attempt_that_is_further_away_than_any_wait_is_due(
        self, run: CourseRun, enrolled: Enrolls, settings
    ):
        settings.OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS = [2 * DAY.total_seconds()]
        waits, odd = enrolled(run), enrolled(run)
        for learner, wait in ((waits, 2 * DAY), (odd, 2 * DAY + 2 * HOUR)):
            CertificateRequestFactory.create(
                user=learner, course_run=run, next_attempt_on=timezone.now() + wait
            )

        process_requests()

        assert request_of(waits, run).is_open
        assert request_of(odd, run).status == "created"

    def test_a_probe_that_is_further_away_than_any_wait_is_made(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)
        OpenEdxPauseFactory.create(next_probe_on=timezone.now() + FAR)

        assert process_requests().settled == {"created": 1}

    def test_a_pause_since_then_is_probed_less_and_less_like_any_other(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run)
        CertificateRequestFactory.create(user=dana, course_run=run)
        OpenEdxPauseFactory.create(since=timezone.now() + FAR, next_probe_on=timezone.now())
        openedx.set_fault("500")
        process_requests()

        clock.shift(4 * MINUTE)
        process_requests()

        pause = OpenEdxPause.objects.get()
        assert pause.next_probe_on - timezone.now() == 4 * MINUTE

    @pytest.mark.parametrize("pause_after", [1, 10**6], ids=["with-pause", "without-pause"])
    @pytest.mark.parametrize("moment", ["failing_since", "last_delivered_on"])
    def test_a_request_that_fails_since_then_has_three_days_from_now(
        self,
        moment: str,
        pause_after: int,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        clock: Clock,
        settings,
    ):
        settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = pause_after
        first, other = enrolled(run), enrolled(run)
        long_ago = timezone.now() - FAR
        for learner in (first, other):
            CertificateRequestFactory.create(
                user=learner,
                course_run=run,
                **{
                    "failing_since": long_ago,
                    "last_delivered_on": long_ago,
                    moment: timezone.now() + FAR,
                },
            )
        openedx.set_fault("500")
        process_requests()
        begun = timezone.now()

        while timezone.now() < begun + 3 * DAY - HOUR:
            clock.shift(HOUR)
            process_requests()
            assert request_of(first, run).is_open
            assert request_of(other, run).is_open
        clock.shift(2 * HOUR)
        process_requests()

        assert {request_of(first, run).status, request_of(other, run).status} == {"failed"}

    def test_a_zero_that_was_reported_then_is_reported_for_the_first_time(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run, **ZERO)
        certify(dana, run, zero_reported_on=timezone.now() + FAR)

        generate_course_run_certificates(course_run=run)
        assert ZeroNote.objects.get().reported_on == timezone.now()
        clock.shift(20 * HOUR)
        generate_course_run_certificates(course_run=run)

        assert not has_certificate(dana, run)

    def test_the_note_of_such_a_zero_goes_with_another_grade(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run, **PASSED)
        certify(dana, run, zero_reported_on=timezone.now() + FAR)

        generate_course_run_certificates(course_run=run)

        assert not ZeroNote.objects.exists()

    def test_the_sweep_that_is_longest_ago_comes_first_all_the_same(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        old = CourseRunSweepFactory.create(started_on=timezone.now() - HOUR).course_run
        CourseRunSweepFactory.create(course_run=run, started_on=timezone.now() + FAR)

        generate_course_certificates()

        asked = [request.course_id for request in openedx.requests]
        assert asked == [run.courseware_id, old.courseware_id]


def test_the_moment_of_the_database_is_aware_of_its_zone():
    now = database_now()

    assert isinstance(now, datetime)
    assert now.utcoffset() is not None
