"""A question that may never be answered: how often it is asked, and what it holds up."""

import threading
from concurrent.futures import wait

import pytest
from django.db import connection

from main.shared_question import SharedQuestion

PATIENCE_SECONDS = 30


class Oracle:
    """Answers with how often it was asked, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()

    def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        self.may_answer.wait(PATIENCE_SECONDS)
        return number


def test_whoever_asks_while_it_is_asked_gets_the_same_answer():
    oracle = Oracle()
    question = SharedQuestion(oracle)

    first, second = question.begin(), question.begin()
    oracle.may_answer.set()

    assert first.result(PATIENCE_SECONDS) == second.result(PATIENCE_SECONDS) == 1
    assert oracle.asked == 1


def test_whoever_asks_afterwards_gets_a_new_answer():
    oracle = Oracle()
    oracle.may_answer.set()
    question = SharedQuestion(oracle)

    answers = [question.begin().result(PATIENCE_SECONDS) for _ in range(2)]

    assert answers == [1, 2]


def test_one_that_hangs_keeps_nobody_from_going_on():
    question = SharedQuestion(oracle := Oracle())

    answer = question.begin()

    assert not wait([answer], timeout=0).done
    oracle.may_answer.set()
    assert answer.result(PATIENCE_SECONDS) == 1


def test_what_it_raises_is_raised_where_the_answer_is_taken():
    def fail() -> None:
        raise LookupError("nobody knows")

    with pytest.raises(LookupError, match="nobody knows"):
        SharedQuestion(fail).begin().result(PATIENCE_SECONDS)


def test_after_a_moment_without_threads_it_is_asked_anew(monkeypatch: pytest.MonkeyPatch):
    question = SharedQuestion(lambda: 42)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full_machine:
        full_machine.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            question.begin()

    assert question.begin().result(PATIENCE_SECONDS) == 42


@pytest.mark.django_db
def test_it_gives_its_connection_back():
    wrappers = []

    def ask() -> None:
        connection.ensure_connection()
        wrappers.append(connection._connections[connection._alias])

    SharedQuestion(ask).begin().result(PATIENCE_SECONDS)

    (wrapper,) = wrappers
    assert wrapper.connection is None
