"""The pool of connections, over the tests' PostgreSQL."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.conf import settings
from django.db import connection as djangos
from psycopg.pq import TransactionStatus

from main.database import pool as pool_module
from main.database.connecting import connect
from main.database.connection import Connection
from main.database.pool import NoConnectionInTime, Pool
from openedx_certificates.waiting.patience import patience_of, restart
from tools.processes import find_free_port, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# A moment, for what must not come; a test that needs it to pass is not one of these.
MOMENT = 0.05


OURS = "the-pool-of-the-test"
URL = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}"
FORK = """
import os, sys
from main.database.connecting import connect
from main.database.pool import Pool

def is_alive(connection):
    return connection.execute("SELECT 1").fetchone() == (1,)

pool = Pool(lambda: connect({"conninfo": os.environ["DATABASE_URL"], "autocommit": True}), 2)
connection = pool.getconn()
if sys.argv[1] == "before the fork":
    pool.putconn(connection)
if os.fork() == 0:
    if sys.argv[1] == "by the child":
        pool.putconn(connection)
    own = pool.getconn()
    print("child ok" if own is not connection and is_alive(own) else "child shares", flush=True)
    os._exit(0)
os.wait()
if sys.argv[1] == "before the fork":
    assert pool.getconn() is connection
print("parent ok" if is_alive(connection) else "parent lost it", flush=True)
"""


def open_one(**changed: object) -> Connection:
    parameters = {**djangos.get_connection_params(), "autocommit": True, "application_name": OURS}
    return connect({**parameters, **changed})


def count_sessions() -> int:
    with djangos.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [OURS])
        (count,) = cursor.fetchone()
    return int(count)


@pytest.fixture
def pool() -> Iterator[Pool]:
    """A pool of two."""
    pool = Pool(open_one, 2)
    yield pool
    pool.close()


def ask(connection: Connection, query: str) -> object:
    (value,) = connection.execute(query).fetchone() or (None,)
    return value


def test_a_connection_that_was_given_back_is_lent_again(pool: Pool):
    first = pool.getconn()
    pool.putconn(first)

    assert pool.getconn() is first
    pool.putconn(first)


def test_there_are_no_more_connections_than_its_size(pool: Pool):
    lent = [pool.getconn(), pool.getconn()]

    with pytest.raises(NoConnectionInTime), patience_of(MOMENT, bounds_statements=False):
        pool.getconn()

    for each in lent:
        pool.putconn(each)


def test_who_waits_gets_the_connection_that_is_given_back(pool: Pool):
    lent = [pool.getconn(), pool.getconn()]

    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(pool.getconn)
        pool.putconn(lent[0])

        assert waiting.result() is lent[0]
    for each in lent:
        pool.putconn(each)


def test_a_server_that_refuses_is_told_of_to_all_who_wait_and_asked_again_by_the_next():
    is_up = threading.Event()
    nowhere = find_free_port()
    pool = Pool(lambda: open_one() if is_up.is_set() else open_one(port=nowhere), 2)

    def get() -> Connection | psycopg.Error:
        try:
            return pool.getconn()
        except psycopg.Error as error:
            return error

    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda _: get(), range(8)))
    is_up.set()
    connection = pool.getconn()

    assert {type(answer) for answer in answers} == {psycopg.OperationalError}
    assert ask(connection, "SELECT 1") == 1
    pool.putconn(connection)
    pool.close()


def test_an_attempt_that_hangs_keeps_no_later_one_from_the_server(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(pool_module, "YOUNG_SECONDS", MOMENT)
    hangs, attempts = threading.Event(), iter(range(100))

    def hang_once() -> Connection:
        if next(attempts) == 0:
            hangs.wait()
            raise psycopg.OperationalError("nobody answers")
        return open_one()

    pool = Pool(hang_once, 2)

    connection = pool.getconn()

    assert ask(connection, "SELECT 1") == 1
    hangs.set()
    pool.putconn(connection)
    pool.close()


@pytest.mark.parametrize("is_committed", [True, False], ids=["idle", "in a transaction"])
def test_what_comes_back_in_the_middle_of_a_transaction_is_not_lent_again(
    pool: Pool, is_committed: bool
):
    connection = pool.getconn()
    connection.execute("BEGIN")
    if is_committed:
        connection.execute("COMMIT")
    pool.putconn(connection)

    again = pool.getconn()

    assert (again is connection) is is_committed
    assert again.pgconn.transaction_status == TransactionStatus.IDLE
    pool.putconn(again)


def test_one_that_has_died_takes_the_idle_ones_with_it(pool: Pool):
    idle, dying = pool.getconn(), pool.getconn()
    pool.putconn(idle)

    dying.close()
    pool.putconn(dying)

    new = pool.getconn()
    assert new is not idle
    assert idle.closed
    pool.putconn(new)


def test_one_that_has_died_takes_those_with_it_that_are_lent(pool: Pool):
    lent, dying = pool.getconn(), pool.getconn()
    dying.close()
    pool.putconn(dying)

    assert ask(lent, "SELECT 1") == 1
    pool.putconn(lent)

    assert lent.closed


def test_one_that_the_server_has_ended_is_not_lent(pool: Pool):
    ended = pool.getconn()
    with open_one() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [ended.info.backend_pid])
    pool.putconn(ended)

    connection = pool.getconn()

    assert ask(connection, "SELECT 1") == 1
    pool.putconn(connection)


@pytest.mark.parametrize("is_given_back", ["before the fork", "by the child"])
def test_a_process_that_was_forked_leaves_its_parents_connections_alone(is_given_back: str):
    # In a process of its own: to fork one that has other threads can stand still for ever.
    environment = {**os.environ, "DATABASE_URL": URL.format(**djangos.settings_dict)}

    ended = subprocess.run(
        [sys.executable, "-c", FORK, is_given_back],
        cwd=settings.BASE_DIR,
        env=environment,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (0, "child ok\nparent ok\n"), ended.stderr


def test_a_closed_pool_closes_what_comes_back(pool: Pool):
    lent = pool.getconn()

    pool.close()
    pool.putconn(lent)

    assert lent.closed


class TestPatience:
    def test_an_answer_that_takes_too_long_ends_the_connection(self, pool: Pool):
        connection = pool.getconn()

        with (
            pytest.raises(psycopg.OperationalError),
            patience_of(MOMENT, bounds_statements=True),
        ):
            connection.execute("SELECT pg_sleep(60)")

        assert connection.closed
        pool.putconn(connection)

    def test_statements_that_take_too_long_leave_no_session_at_the_server(self, pool: Pool):
        for _ in range(6):
            connection = pool.getconn()
            with (
                pytest.raises(psycopg.OperationalError),
                patience_of(MOMENT, bounds_statements=True),
            ):
                connection.execute("SELECT pg_sleep(60)")
            pool.putconn(connection)

        wait_until(lambda: count_sessions() == 0)

    def test_one_answer_that_takes_too_long_costs_no_other_connection(self, pool: Pool):
        idle, slow = pool.getconn(), pool.getconn()
        pool.putconn(idle)

        with (
            pytest.raises(psycopg.OperationalError),
            patience_of(MOMENT, bounds_statements=True),
        ):
            slow.execute("SELECT pg_sleep(60)")
        pool.putconn(slow)

        assert pool.getconn() is idle
        pool.putconn(idle)

    def test_a_caller_whose_patience_is_spent_costs_no_connection(self, pool: Pool):
        idle = pool.getconn()
        pool.putconn(idle)

        with pytest.raises(NoConnectionInTime), patience_of(0, bounds_statements=True):
            pool.getconn()

        assert pool.getconn() is idle
        pool.putconn(idle)

    def test_without_a_bound_on_statements_they_take_what_they_take(self, pool: Pool):
        connection = pool.getconn()

        with patience_of(MOMENT, bounds_statements=False):
            slept = ask(connection, f"SELECT 'slept' FROM pg_sleep({2 * MOMENT})")

        assert slept == "slept"
        pool.putconn(connection)

    def test_the_waits_of_a_caller_count_together_and_begin_again_when_it_says_so(self, pool: Pool):
        connection = pool.getconn()

        with patience_of(10 * MOMENT, bounds_statements=True):
            for _ in range(3):
                restart()
                connection.execute(f"SELECT pg_sleep({6 * MOMENT})")
            with pytest.raises(psycopg.OperationalError):
                connection.execute(f"SELECT pg_sleep({6 * MOMENT})")

        pool.putconn(connection)

    def test_within_another_it_ends_no_later_than_that_one(self, pool: Pool):
        connection = pool.getconn()

        with (
            pytest.raises(psycopg.OperationalError),
            patience_of(MOMENT, bounds_statements=True),
            patience_of(60, bounds_statements=True),
        ):
            connection.execute("SELECT pg_sleep(60)")

        pool.putconn(connection)
