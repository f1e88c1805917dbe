"""Grades paired with our users: how they are matched, what it costs, and what is held meanwhile."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from pytest_django import DjangoAssertNumQueries

from openedx.factories import OpenEdxUserFactory
from openedx_certificates.api import fetch_grades_with_users
from openedx_certificates.issuing.fetching import GradePage, fetch_grade, fetch_grade_pages
from openedx_certificates.testing.factories import UserFactory
from openedx_certificates.waiting.patience import patience_of
from openedx_certificates.wire.exceptions import (
    NoEdxUsername,
    OpenEdxError,
    OpenEdxRefused,
    OpenEdxUnreachable,
    UnusableGrade,
)
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User


@dataclass(frozen=True)
class Run:
    """A course run, as far as these functions look at one."""

    courseware_id: str = "course-v1:MITx+6.00x+1T2026"


RUN = Run()


@pytest.fixture(autouse=True)
def two_a_page(settings: Any) -> None:
    settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2


def enroll(openedx: SimulatedOpenEdx, edx_username: str, **grade: Any) -> User:
    """Return a learner of the run, passed unless the grade says else."""
    user = UserFactory.create(openedx_user__edx_username=edx_username)
    openedx.enroll(RUN.courseware_id, edx_username, **{"passed": True, "percent": 0.85} | grade)
    return user


@pytest.mark.django_db
class TestAllLearners:
    def test_each_grade_comes_with_its_user(self, openedx: SimulatedOpenEdx):
        alice = enroll(openedx, "alice", percent=0.9)
        bob = enroll(openedx, "bob", percent=0.6)
        carol = enroll(openedx, "carol", passed=False, percent=0.1)

        pairs = list(fetch_grades_with_users(RUN))

        assert [(grade.username, grade.percent, user) for grade, user in pairs] == [
            ("alice", 0.9, alice),
            ("bob", 0.6, bob),
            ("carol", 0.1, carol),
        ]
        assert {grade.course_id for grade, _ in pairs} == {RUN.courseware_id}
        assert [grade.passed for grade, _ in pairs] == [True, True, False]

    def test_users_are_told_apart_by_their_name_on_open_edx_alone(self, openedx: SimulatedOpenEdx):
        # Their names here, and an address on Open edX, point to each other.
        alice = UserFactory.create(username="bob", openedx_user__edx_username="alice")
        bob = UserFactory.create(username="alice", openedx_user__edx_username="bob")
        openedx.enroll(RUN.courseware_id, "alice", email=bob.email, passed=True, percent=0.9)

        ((grade, user),) = fetch_grades_with_users(RUN)

        assert grade.username == "alice"
        assert user == alice

    def test_nothing_is_asked_for_before_a_grade_is_wanted(self, openedx: SimulatedOpenEdx):
        enroll(openedx, "alice")

        pairs = fetch_grades_with_users(RUN)
        assert openedx.request_count == 0

        assert next(pairs)[0].username == "alice"
        assert openedx.request_count == 1

    def test_a_page_costs_one_query(
        self, openedx: SimulatedOpenEdx, django_assert_num_queries: DjangoAssertNumQueries
    ):
        for number in range(6):
            enroll(openedx, f"learner-{number}")

        with django_assert_num_queries(3):
            pages = list(fetch_grade_pages(RUN))

        assert [len(page.graded) for page in pages] == [2, 2, 2]

    def test_the_users_of_a_page_cost_one_more(
        self, openedx: SimulatedOpenEdx, django_assert_num_queries: DjangoAssertNumQueries
    ):
        for number in range(6):
            enroll(openedx, f"learner-{number}")

        with django_assert_num_queries(2 * 3):
            names = [user.username for _, user in fetch_grades_with_users(RUN)]

        assert len(names) == 6

    def test_strangers_are_counted_and_left_out(self, openedx: SimulatedOpenEdx):
        alice = enroll(openedx, "alice")
        openedx.enroll(RUN.courseware_id, "mallory", passed=True, percent=0.9)

        (page,) = fetch_grade_pages(RUN)

        assert [user_id for _, user_id in page.graded] == [alice.pk]
        assert (page.refused, page.strangers) == ([], 1)
        assert [user for _, user in fetch_grades_with_users(RUN)] == [alice]

    def test_a_refused_grade_comes_with_its_user_and_its_reason(
        self, openedx: SimulatedOpenEdx, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 10
        alice = enroll(openedx, "alice", percent=None)
        bob = enroll(openedx, "bob")
        openedx.enroll(RUN.courseware_id, "mallory", passed=None, percent=0.9)
        openedx.enroll(RUN.courseware_id, "nobody", record=[])

        (page,) = fetch_grade_pages(RUN)

        assert [user_id for _, user_id in page.graded] == [bob.pk]
        assert page.refused == [
            ("percent is not a number", alice.pk),
            ("passed is not a boolean", None),
            ("the record is not an object", None),
        ]
        assert page.strangers == 0
        assert [user for _, user in fetch_grades_with_users(RUN)] == [bob]

    def test_a_page_can_be_cut_down_to_some_of_its_users(
        self, openedx: SimulatedOpenEdx, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 10
        alice, _bob = enroll(openedx, "alice"), enroll(openedx, "bob")
        carol, _dana = enroll(openedx, "carol", percent=2.5), enroll(openedx, "dana", percent=2.5)
        openedx.enroll(RUN.courseware_id, "mallory", passed=None, percent=0.9)
        openedx.enroll(RUN.courseware_id, "nobody", passed=True, percent=0.9)

        (page,) = fetch_grade_pages(RUN)
        ours = page.only({alice.pk, carol.pk})

        assert [user_id for _, user_id in ours.graded] == [alice.pk]
        assert ours.refused == [("percent is out of range", carol.pk)]
        assert ours.strangers == 0

    def test_a_user_who_is_deleted_meanwhile_is_left_out(self, openedx: SimulatedOpenEdx):
        alice, bob = enroll(openedx, "alice"), enroll(openedx, "bob")
        to_delete = [bob]

        def delete_before_users_are_read(execute: Any, sql: str, *arguments: Any) -> Any:
            if to_delete and sql.startswith('SELECT "users_user"'):
                to_delete.pop().delete()
            return execute(sql, *arguments)

        with connection.execute_wrapper(delete_before_users_are_read):
            pairs = list(fetch_grades_with_users(RUN))

        assert to_delete == []
        assert [user for _, user in pairs] == [alice]

    def test_a_course_of_nobody_is_an_empty_page(self, openedx: SimulatedOpenEdx):
        enroll(openedx, "alice")
        openedx.unenroll(RUN.courseware_id, "alice")

        assert list(fetch_grade_pages(RUN)) == [GradePage(graded=[], refused=[], strangers=0)]

    def test_a_page_that_stays_bad_raises_after_the_pages_before_it(
        self, openedx: SimulatedOpenEdx
    ):
        cast = [enroll(openedx, edx_username) for edx_username in ("alice", "bob", "carol")]
        openedx.set_fault(Fault("500", page=2))
        pairs = fetch_grades_with_users(RUN)

        assert [next(pairs)[1], next(pairs)[1]] == cast[:2]
        with pytest.raises(OpenEdxUnreachable):
            next(pairs)


@pytest.mark.django_db
class TestUsernamesInAnotherCase:
    @pytest.mark.parametrize(
        ("ours", "theirs"), [("Anna", "anna"), ("anna", "ANNA"), ("Émile", "émile")]
    )
    def test_the_learner_is_found_on_a_page_and_alone(
        self, openedx: SimulatedOpenEdx, ours: str, theirs: str
    ):
        openedx.enroll(RUN.courseware_id, theirs, passed=True, percent=0.9)
        anna = UserFactory.create(openedx_user__edx_username=ours)

        pairs = [*fetch_grades_with_users(RUN), *fetch_grades_with_users(RUN, anna)]

        assert [(grade.username, user) for grade, user in pairs] == [(theirs, anna)] * 2

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [("mike", "m\u0131ke"), ("m\u0131ke", "MIKE"), ("strasse", "straße"), ("jose", "josé")],
    )
    def test_letters_that_only_resemble_each_other_are_others(
        self, openedx: SimulatedOpenEdx, ours: str, theirs: str
    ):
        openedx.enroll(RUN.courseware_id, theirs, passed=True, percent=0.9)
        UserFactory.create(openedx_user__edx_username=ours)

        assert list(fetch_grade_pages(RUN)) == [GradePage([], [], strangers=1)]

    def test_only_a_page_with_strangers_costs_one_query_more(
        self, openedx: SimulatedOpenEdx, django_assert_num_queries: DjangoAssertNumQueries
    ):
        cast = [enroll(openedx, username) for username in ("alice", "bob", "carol", "dana")]
        for user in cast[2:]:
            user.openedx_users.update(edx_username=user.edx_username.title())
        openedx.enroll(RUN.courseware_id, "mallory", passed=True, percent=0.9)

        with django_assert_num_queries(1 + 2 + 2):
            pages = list(fetch_grade_pages(RUN))

        found = [[user_id for _, user_id in page.graded] for page in pages]
        assert found == [[cast[0].pk, cast[1].pk], [cast[2].pk, cast[3].pk], []]
        assert [page.strangers for page in pages] == [0, 0, 1]

    def test_an_account_of_exactly_this_name_is_meant_before_another(
        self, openedx: SimulatedOpenEdx
    ):
        other = UserFactory.create(openedx_user__edx_username="Anna")
        anna = enroll(openedx, "anna")

        (page,) = fetch_grade_pages(RUN)

        assert [user_id for _, user_id in page.graded] == [anna.pk]
        with pytest.raises(UnusableGrade, match="may be another account's"):
            fetch_grade(RUN, other)

    def test_two_accounts_none_of_them_exact_cannot_be_told_apart(self, openedx: SimulatedOpenEdx):
        openedx.enroll(RUN.courseware_id, "anna", passed=True, percent=0.9)
        accounts = [
            UserFactory.create(openedx_user__edx_username=username) for username in ("Anna", "ANNA")
        ]

        assert list(fetch_grade_pages(RUN)) == [GradePage([], [], strangers=1)]
        for user in accounts:
            with pytest.raises(UnusableGrade, match="may be another account's"):
                fetch_grade(RUN, user)

    def test_a_refused_grade_comes_with_its_user(self, openedx: SimulatedOpenEdx):
        openedx.enroll(RUN.courseware_id, "anna", passed=True, percent=2.5)
        anna = UserFactory.create(openedx_user__edx_username="Anna")

        (page,) = fetch_grade_pages(RUN)

        assert page.refused == [("percent is out of range", anna.pk)]


@pytest.mark.django_db
class TestOneLearner:
    def test_only_the_learners_grade_is_asked_for(self, openedx: SimulatedOpenEdx):
        alice = enroll(openedx, "alice", percent=0.9, letter_grade="A")
        enroll(openedx, "bob")

        ((grade, user),) = fetch_grades_with_users(RUN, alice)

        assert (grade.username, grade.percent, grade.letter_grade) == ("alice", 0.9, "A")
        assert user is alice
        (request,) = openedx.requests
        assert request.query == {"username": "alice"}

    @pytest.mark.parametrize("edx_username", ["a&username=b", "a.b-c_d@e+f", "b#c", "b%2F"])
    def test_a_name_is_asked_for_exactly(self, openedx: SimulatedOpenEdx, edx_username: str):
        enroll(openedx, "b", passed=False)
        learner = enroll(openedx, edx_username)

        ((grade, user),) = fetch_grades_with_users(RUN, learner)

        assert (grade.username, grade.passed, user) == (edx_username, True, learner)
        assert openedx.requests[0].query == {"username": edx_username}

    @pytest.mark.parametrize(
        "account",
        [
            pytest.param(None, id="no account"),
            pytest.param({"edx_username": None}, id="an account without a name"),
            pytest.param({"edx_username": ""}, id="a blank name"),
        ],
    )
    def test_a_learner_without_a_name_there_is_not_asked_for(
        self, openedx: SimulatedOpenEdx, account: dict[str, Any] | None
    ):
        dana = UserFactory.create(openedx_user=None)
        if account is not None:
            OpenEdxUserFactory.create(user=dana, **account)

        with pytest.raises(NoEdxUsername) as caught:
            list(fetch_grades_with_users(RUN, dana))

        assert not caught.value.retryable
        assert openedx.request_count == 0

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            pytest.param("401", OpenEdxRefused, id="refused"),
            pytest.param("500", OpenEdxUnreachable, id="unreachable"),
            pytest.param("empty-list", UnusableGrade, id="no grade"),
        ],
    )
    def test_what_the_client_raises_is_raised(
        self, openedx: SimulatedOpenEdx, fault: str, error: type[OpenEdxError]
    ):
        alice = enroll(openedx, "alice")
        openedx.set_fault(fault)

        with pytest.raises(error):
            list(fetch_grades_with_users(RUN, alice))

    def test_a_refused_grade_is_raised(self, openedx: SimulatedOpenEdx):
        alice = enroll(openedx, "alice", percent=2.5)

        with pytest.raises(UnusableGrade, match="percent is out of range"):
            list(fetch_grades_with_users(RUN, alice))

    def test_the_settings_in_force_are_the_ones_that_count(
        self, openedx: SimulatedOpenEdx, settings: Any
    ):
        alice = enroll(openedx, "alice")
        list(fetch_grades_with_users(RUN, alice))

        settings.OPENEDX_SERVICE_WORKER_API_TOKEN = "last-year's"

        with pytest.raises(OpenEdxRefused):
            list(fetch_grades_with_users(RUN, alice))


@pytest.mark.django_db(transaction=True)
class TestTheDatabaseMeanwhile:
    @pytest.mark.site("The pool of connections is the site's.")
    def test_learners_in_any_number_wait_without_a_connection(self, openedx: SimulatedOpenEdx):
        cast = [enroll(openedx, f"learner-{number}") for number in range(12)]
        openedx.set_fault("hang")

        with asking_aside(lambda user: fetch_grade(RUN, user), cast) as answers:
            openedx.wait_for_requests(len(cast))

            assert take_all_connections() < len(cast)
            openedx.clear_fault()

            assert [grade.username for grade in answers] == [user.edx_username for user in cast]

    @pytest.mark.site("The pool of connections is the site's.")
    def test_a_sweep_waits_for_each_page_without_a_connection(self, openedx: SimulatedOpenEdx):
        cast = [enroll(openedx, edx_username) for edx_username in ("alice", "bob", "carol")]
        openedx.set_fault(Fault("hang", page=2))

        with asking_aside(lambda run: list(fetch_grades_with_users(run)), [RUN]) as answers:
            openedx.wait_for_requests(2)

            assert take_all_connections()
            openedx.clear_fault()

            (pairs,) = answers
            assert [user for _, user in pairs] == cast

    def test_a_transaction_of_the_callers_is_not_torn(self, openedx: SimulatedOpenEdx):
        alice = enroll(openedx, "alice")

        with transaction.atomic():
            User.objects.filter(pk=alice.pk).update(name="Alice")
            list(fetch_grades_with_users(RUN, alice))
            transaction.set_rollback(True)

        alice.refresh_from_db()
        assert alice.name != "Alice"


def take_all_connections() -> int:
    """Return how many connections the pool has, having had them all; raise if one is held."""
    connections.close_all()
    pool, size = connection.pool, settings.DATABASE_POOL_SIZE
    with ExitStack() as taken, patience_of(5, bounds_statements=False):
        for _ in range(size):
            taken.callback(pool.putconn, pool.getconn())
    return size


@contextmanager
def asking_aside(ask: Any, questions: list[Any]) -> Iterator[Iterator[Any]]:
    """Ask all the questions at once, each in a thread of its own."""

    def ask_and_leave(question: Any) -> Any:
        try:
            return ask(question)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=len(questions)) as threads:
        yield threads.map(ask_and_leave, questions)
