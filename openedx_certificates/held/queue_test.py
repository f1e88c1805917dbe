"""What an administrator and time do to held requests: replayed, settled as failed, pruned."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses.models import CourseRun
from openedx_certificates.api import process_requests, prune_requests, reopen, settle_as_failed
from openedx_certificates.held.outcomes import postpone_failed
from openedx_certificates.held.queue import accept_request, claim, get_leased, renew
from openedx_certificates.held.replays import Left
from openedx_certificates.models import CertificateRequest
from openedx_certificates.settings import app_settings
from openedx_certificates.testing.factories import CertificateRequestFactory, CourseRunFactory
from openedx_certificates.testing.scenes import Clock, Enrolls, in_thread, request_of
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

SETTLED = ["created", "exists", "revoked", "not_eligible", "failed"]
DAY = timedelta(days=1)


@pytest.fixture
def dana(run: CourseRun, enrolled: Enrolls) -> User:
    """A learner with a passing grade."""
    return enrolled(run)


def settle_one(user: User, run: CourseRun) -> CertificateRequest:
    """Make a request that was given up."""
    return CertificateRequestFactory.create(
        user=user, course_run=run, status="failed", settled_on=timezone.now()
    )


def settle_many(run: CourseRun, number: int) -> None:
    """Make so many learners with a request that was given up."""
    learners = User.objects.bulk_create(
        User(username=f"many-{n}", email=f"many-{n}@example.com") for n in range(number)
    )
    CertificateRequest.objects.bulk_create(
        CertificateRequest(user=learner, course_run=run, status="failed", settled_on=timezone.now())
        for learner in learners
    )


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

        replay = reopen(CertificateRequest.objects.all())

        assert (replay.started, str(replay)) == ({request.pk}, "1 request(s) are due now.")
        opened = request_of(dana, run)
        assert (opened.is_open, opened.settled_on, opened.reason) == (True, None, "")
        assert (opened.failing_since, opened.not_passed_answers) == (None, 0)
        assert opened.next_attempt_on == opened.last_delivered_on == timezone.now()
        assert (opened.deliveries, opened.ignores_pause) == (2, True)

    def test_it_is_settled_by_the_next_pass(self, dana: User, run: CourseRun):
        request = CertificateRequestFactory.create(
            user=dana, course_run=run, status="failed", settled_on=timezone.now()
        )

        reopen(CertificateRequest.objects.filter(pk=request.pk))
        process_requests()

        assert request_of(dana, run).status == "created"

    def test_an_open_one_is_due_at_once(self, dana: User, run: CourseRun):
        request = CertificateRequestFactory.create(
            user=dana, course_run=run, next_attempt_on=timezone.now() + DAY
        )

        assert reopen(CertificateRequest.objects.all()).started == {request.pk}

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

        replay = reopen(CertificateRequest.objects.filter(pk=settled.pk))

        assert (replay.started, replay.left) == ({other.pk}, {Left.OTHER_IS_OPEN: 1})
        opened = CertificateRequest.objects.get(status="open")
        assert (opened.next_attempt_on, opened.deliveries) == (timezone.now(), 2)
        settled.refresh_from_db()
        assert settled.status == "failed"

    def test_one_that_somebody_works_on_is_left_alone(self, dana: User, run: CourseRun):
        request = CertificateRequestFactory.create(user=dana, course_run=run)
        claim(CertificateRequest.objects.all())
        before = CertificateRequest.objects.values().get()

        replay = reopen(CertificateRequest.objects.filter(pk=request.pk))

        assert (replay.started, replay.left) == (set(), {Left.AT_WORK: 1})
        assert CertificateRequest.objects.values().get() == before

    def test_a_settled_one_is_left_while_somebody_works_on_another(
        self, dana: User, run: CourseRun
    ):
        CertificateRequestFactory.create(user=dana, course_run=run)
        claim(CertificateRequest.objects.all())
        settled = settle_one(dana, run)

        replay = reopen(CertificateRequest.objects.filter(pk=settled.pk))

        assert (replay.started, replay.left) == (set(), {Left.AT_WORK: 1})
        settled.refresh_from_db()
        assert (settled.status, settled.deliveries) == ("failed", 1)

    def test_of_many_each_has_its_reason_to_be_left(self, dana: User, run: CourseRun):
        at_work = CertificateRequestFactory.create(course_run=run)
        claim(CertificateRequest.objects.all())
        older, latest = settle_one(dana, run), settle_one(dana, run)
        waiting = CertificateRequestFactory.create(course_run=run)
        before = settle_one(waiting.user, run)
        elsewhere = settle_one(dana, CourseRunFactory.create())

        replay = reopen(CertificateRequest.objects.all())

        assert replay.started == {latest.pk, waiting.pk, elsewhere.pk}
        assert str(replay) == (
            "3 request(s) are due now. Left alone: 1 that somebody works on; "
            "1 whose learner has another open request of the run, which is due instead; "
            "1 older than another that was chosen, of the same learner and run."
        )
        deliveries = dict(CertificateRequest.objects.values_list("pk", "deliveries"))
        left = {at_work.pk: 1, older.pk: 1, before.pk: 1}
        assert deliveries == {**left, latest.pk: 2, waiting.pk: 2, elsewhere.pk: 2}

    def test_thousands_take_no_more_statements_than_one(self, run: CourseRun):
        settle_many(run, 3_000)
        first = CertificateRequest.objects.order_by("pk")[:1]

        with CaptureQueriesContext(connection) as of_one:
            reopen(CertificateRequest.objects.filter(pk__in=first.values("pk")))
        with CaptureQueriesContext(connection) as of_all:
            replay = reopen(CertificateRequest.objects.all())

        assert len(replay.started) == 3_000
        assert len(of_all) == len(of_one)

    @pytest.mark.django_db(transaction=True)
    def test_an_event_that_comes_meanwhile_holds_up_nobody(self, dana: User, run: CourseRun):
        settled = settle_one(dana, run)
        settle_many(run, 5)
        events = iter([in_thread(lambda: accept_request(dana, run, lease=None))])

        def deliver_before_the_update(execute, sql, params, many, context):
            if sql.startswith("UPDATE"):
                for event in events:
                    with ThreadPoolExecutor(1) as executor:
                        executor.submit(event).result()
            return execute(sql, params, many, context)

        with connection.execute_wrapper(deliver_before_the_update):
            replay = reopen(CertificateRequest.objects.all())

        by_event = CertificateRequest.objects.get(user=dana, status="open")
        assert by_event != settled
        assert len(replay.started) == 6
        assert by_event.pk in replay.started
        assert replay.left == {Left.OTHER_IS_OPEN: 1}


class TestSettledAsFailed:
    def test_what_is_open_is_and_the_rest_stays(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        waiting, created = [
            CertificateRequestFactory.create(user=enrolled(run), course_run=run, **values)
            for values in ({}, {"status": "created", "settled_on": timezone.now()})
        ]

        assert settle_as_failed(CertificateRequest.objects.all()) == [waiting.pk]

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
        settings.OPENEDX_CERTIFICATES_RETENTION_IN_DAYS = 7
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

        clock.shift(timedelta(seconds=app_settings.REQUEST_LEASE - 1))
        renew(lease)
        clock.shift(timedelta(seconds=app_settings.REQUEST_LEASE - 1))

        assert claim(CertificateRequest.objects.all()) is None
        clock.shift(timedelta(seconds=2))
        assert claim(CertificateRequest.objects.all()) is not None
