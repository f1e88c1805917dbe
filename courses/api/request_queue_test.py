"""What an administrator and time do to held requests: replayed, settled as failed, pruned."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from courses.api import process_requests, prune_requests, reopen, settle_as_failed
from courses.api.request_outcomes import postpone_failed
from courses.api.request_queue import claim, get_leased, renew
from courses.conftest import Clock, Enrolls, request_of
from courses.factories import CertificateRequestFactory
from courses.models import CertificateRequest, CourseRun
from openedx.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

SETTLED = ["created", "exists", "revoked", "not_eligible", "failed"]
DAY = timedelta(days=1)


@pytest.fixture
def dana(run: CourseRun, enrolled: Enrolls) -> User:
    """A learner who passed."""
    return enrolled(run)


class TestTheTable:
    def test_a_learner_has_one_open_request_of_a_run(self, dana: User, run: CourseRun):
        CertificateRequestFactory.create(user=dana, course_run=run)

        with pytest.raises(IntegrityError, match="one_open"), transaction.atomic():
            CertificateRequestFactory.create(user=dana, course_run=run)

    def test_there_may_be_any_number_of_settled_ones(self, dana: User, run: CourseRun):
        for status in [*SETTLED, *SETTLED]:
            CertificateRequestFactory.create(
                user=dana, course_run=run, status=status, settled_on=timezone.now()
            )

        assert run.certificate_requests.count() == 2 * len(SETTLED)

    @pytest.mark.parametrize(
        "values",
        [
            {"status": "created"},
            {"settled_on": timezone.now()},
            {"lease": uuid4()},
            {"leased_until": timezone.now()},
        ],
        ids="-".join,
    )
    def test_a_row_that_contradicts_itself_is_refused(self, values: dict, run: CourseRun):
        with pytest.raises(IntegrityError), transaction.atomic():
            CertificateRequestFactory.create(course_run=run, **values)


class TestReplayed:
    @pytest.mark.parametrize("status", SETTLED)
    def test_a_settled_one_is_open_and_due_and_has_all_its_patience_again(
        self, status: str, dana: User, run: CourseRun, clock: Clock
    ):
        long_ago = timezone.now() - 10 * DAY
        request = CertificateRequestFactory.create(
            user=dana,
            course_run=run,
            status=status,
            reason="grade_not_passed" if status == "not_eligible" else "",
            settled_on=long_ago,
            failing_since=long_ago,
            last_delivered_on=long_ago,
            not_passed_answers=3,
        )

        opened = reopen(request)

        assert opened == request
        assert (opened.is_open, opened.settled_on, opened.reason) == (True, None, "")
        assert (opened.failing_since, opened.not_passed_answers) == (None, 0)
        assert opened.next_attempt_on == opened.last_delivered_on == timezone.now()
        assert (opened.deliveries, opened.ignores_pause) == (2, True)

    def test_it_is_settled_by_the_next_pass(self, dana: User, run: CourseRun):
        request = CertificateRequestFactory.create(
            user=dana, course_run=run, status="failed", settled_on=timezone.now()
        )

        reopen(request)
        process_requests()

        assert request_of(dana, run).status == "created"

    def test_an_open_one_is_due_at_once(self, dana: User, run: CourseRun):
        request = CertificateRequestFactory.create(
            user=dana, course_run=run, next_attempt_on=timezone.now() + DAY
        )

        assert reopen(request) == request

        process_requests()
        assert request_of(dana, run).status == "created"

    def test_where_the_learner_has_another_open_one_that_one_is_replayed(
        self, dana: User, run: CourseRun, clock: Clock
    ):
        settled = CertificateRequestFactory.create(
            user=dana, course_run=run, status="failed", settled_on=timezone.now()
        )
        other = CertificateRequestFactory.create(
            user=dana, course_run=run, next_attempt_on=timezone.now() + DAY
        )

        opened = reopen(settled)

        assert opened == other
        assert (opened.next_attempt_on, opened.deliveries) == (timezone.now(), 2)
        settled.refresh_from_db()
        assert settled.status == "failed"

    def test_one_that_somebody_works_on_is_left_alone(self, dana: User, run: CourseRun):
        request = CertificateRequestFactory.create(user=dana, course_run=run)
        claim(CertificateRequest.objects.all())
        before = CertificateRequest.objects.values().get()

        assert reopen(request) is None
        assert CertificateRequest.objects.values().get() == before


class TestSettledAsFailed:
    def test_what_is_open_is_and_the_rest_stays(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        waiting, created = [
            CertificateRequestFactory.create(user=enrolled(run), course_run=run, **values)
            for values in ({}, {"status": "created", "settled_on": timezone.now()})
        ]

        assert settle_as_failed(CertificateRequest.objects.all()) == 1

        assert request_of(waiting.user, run).status == "failed"
        assert request_of(created.user, run).status == "created"
        process_requests()
        assert openedx.requests == []

    def test_whoever_works_on_it_has_nothing_more_to_say(self, dana: User, run: CourseRun):
        request = CertificateRequestFactory.create(user=dana, course_run=run)
        lease = claim(CertificateRequest.objects.all())
        settle_as_failed(CertificateRequest.objects.all())

        postpone_failed(request, lease, DAY, "unreachable", "Down.")

        assert request_of(dana, run).status == "failed"
        assert request_of(dana, run).last_error == ""


class TestPruned:
    @pytest.mark.parametrize("status", SETTLED)
    def test_what_was_settled_over_90_days_ago_is_deleted_and_nothing_younger(
        self, status: str, run: CourseRun, enrolled: Enrolls
    ):
        ages = [89 * DAY, 90 * DAY - timedelta(minutes=1), 90 * DAY + timedelta(minutes=1)]
        young, just_young, _old = [
            CertificateRequestFactory.create(
                user=enrolled(run), course_run=run, status=status, settled_on=timezone.now() - age
            )
            for age in ages
        ]

        assert prune_requests() == 1
        assert set(CertificateRequest.objects.all()) == {young, just_young}

    def test_nothing_open_is_deleted_however_old(self, dana: User, run: CourseRun, clock: Clock):
        request = CertificateRequestFactory.create(user=dana, course_run=run)

        clock.shift(1000 * DAY)

        assert prune_requests() == 0
        assert CertificateRequest.objects.get() == request

    def test_how_long_they_are_kept_is_a_setting(self, dana: User, run: CourseRun, settings):
        settings.CERTIFICATE_REQUEST_RETENTION_IN_DAYS = 7
        CertificateRequestFactory.create(
            user=dana, course_run=run, status="created", settled_on=timezone.now() - 8 * DAY
        )

        assert prune_requests() == 1


class TestClaimed:
    def test_what_is_open_and_free_is_and_nothing_else(
        self, run: CourseRun, enrolled: Enrolls, clock: Clock
    ):
        free, settled, elsewhere = (
            CertificateRequestFactory.create(user=enrolled(run), course_run=run, **values)
            for values in ({}, {"status": "failed", "settled_on": timezone.now()}, {})
        )
        other = claim(CertificateRequest.objects.filter(pk=elsewhere.pk))

        lease = claim(CertificateRequest.objects.all())

        assert list(get_leased(lease)) == [free]
        assert list(get_leased(other)) == [elsewhere]
        assert request_of(free.user, run).attempts == 1
        assert request_of(settled.user, run).attempts == 0

    def test_whose_holder_lives_has_it_for_longer(
        self, dana: User, run: CourseRun, clock: Clock, settings
    ):
        CertificateRequestFactory.create(user=dana, course_run=run)
        lease = claim(CertificateRequest.objects.all())

        clock.shift(timedelta(seconds=settings.CERTIFICATE_REQUEST_LEASE - 1))
        renew(lease)
        clock.shift(timedelta(seconds=settings.CERTIFICATE_REQUEST_LEASE - 1))

        assert claim(CertificateRequest.objects.all()) is None
        clock.shift(timedelta(seconds=2))
        assert claim(CertificateRequest.objects.all()) is not None
