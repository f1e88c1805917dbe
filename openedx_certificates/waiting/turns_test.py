"""Turns: a crowd works a few at once, and none is held for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from openedx_certificates.waiting.turns import Turns

# A standstill that is never reached.
PATIENCE_SECONDS = 10


@pytest.fixture
def turns() -> Turns:
    """Two at once."""
    return Turns(2, PATIENCE_SECONDS)


def wait_until_so_many_wait(turns: Turns, number: int) -> None:
    # A thread that has begun to wait can't say so.
    while len(turns._waiting) < number:
        threading.Event().wait(0.001)


def test_no_more_work_at_once_than_there_are_turns(turns: Turns):
    lock, at_once, most = threading.Lock(), 0, 0

    def work(_number: int) -> None:
        nonlocal at_once, most
        with turns.taken():
            with lock:
                at_once += 1
                most = max(most, at_once)
            threading.Event().wait(0.002)
            with lock:
                at_once -= 1

    with ThreadPoolExecutor(20) as executor:
        list(executor.map(work, range(40)))

    assert most == 2


def test_turns_are_given_in_the_order_of_arrival():
    turns, served = Turns(1, PATIENCE_SECONDS), []

    def work(name: str) -> None:
        with turns.taken():
            served.append(name)

    with ThreadPoolExecutor(3) as executor, turns.taken():
        for number, name in enumerate(["first", "second", "third"], start=1):
            executor.submit(work, name)
            wait_until_so_many_wait(turns, number)
        # From here on each gives its turn to the next.

    assert served == ["first", "second", "third"]


def test_who_waits_for_somebody_else_leaves_the_turn_and_takes_one_again():
    turns, steps = Turns(1, PATIENCE_SECONDS), []
    has_left, may_go_on = threading.Event(), threading.Event()

    def ask() -> None:
        with turns.taken():
            with turns.given_up():
                has_left.set()
                assert may_go_on.wait(PATIENCE_SECONDS)
            steps.append("asked")

    with ThreadPoolExecutor(1) as executor:
        asking = executor.submit(ask)
        assert has_left.wait(PATIENCE_SECONDS)
        with turns.taken():
            may_go_on.set()
            wait_until_so_many_wait(turns, 1)
            steps.append("another worked")
        asking.result()

    assert steps == ["another worked", "asked"]
    assert turns._free == 1


def test_when_no_turn_moves_those_who_wait_go_on_without_one():
    turns = Turns(1, 0.01)
    done = []

    def work() -> None:
        with turns.taken(), turns.given_up():
            done.append("went without")

    with turns.taken():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(PATIENCE_SECONDS)

    assert done == ["went without"]
    assert turns._free == 1


def test_an_error_in_the_work_gives_the_turn_back():
    turns = Turns(1, PATIENCE_SECONDS)

    with pytest.raises(ZeroDivisionError), turns.taken():
        _ = 1 / 0

    assert turns._free == 1


def test_to_wait_without_a_turn_takes_none(turns: Turns):
    with turns.given_up():
        pass

    assert turns._free == 2
