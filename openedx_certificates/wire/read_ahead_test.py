"""Reading ahead: what comes when, how much of it is there at once, and how it ends."""

import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from openedx_certificates.wire.read_ahead import read_ahead

# No assertion on speed: what never ends would hold the tests up for ever.
GUARD_SECONDS = 8.0


class Page:
    """A page, which can be told to be gone."""

    def __init__(self, number: int) -> None:
        self.number = number


class Pages:
    """Makes pages, and remembers which were asked for and which are still there."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.asked: list[int] = []
        self.there: weakref.WeakSet[Page] = weakref.WeakSet()

    def __iter__(self) -> Iterator[Page]:
        for number in range(1, self._count + 1):
            self.asked.append(number)
            # Not held by the generator, which stands still at the yield.
            yield self._make(number)

    def _make(self, number: int) -> Page:
        page = Page(number)
        self.there.add(page)
        return page

    def numbers_there(self) -> list[int]:
        return sorted(page.number for page in self.there)


def wait(page: Future[Any]) -> None:
    page.exception(timeout=GUARD_SECONDS)


def settle() -> None:
    """Return once nothing is being fetched."""
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(GUARD_SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def given_up() -> threading.Event:
    """Set once no page is wanted any more."""
    return threading.Event()


class TestWhatComes:
    @pytest.mark.parametrize("count", [0, 1, 5])
    def test_every_page_comes_in_its_order(self, count: int, given_up: threading.Event):
        pages = read_ahead(iter(range(count)), wait=wait, given_up=given_up)

        assert list(pages) == list(range(count))

    def test_nothing_is_fetched_before_the_first_is_wanted(self, given_up: threading.Event):
        pages = Pages(3)

        read_ahead(iter(pages), wait=wait, given_up=given_up)
        settle()

        assert pages.asked == []

    def test_one_is_fetched_ahead_and_no_more(self, given_up: threading.Event):
        pages = Pages(5)
        ahead = read_ahead(iter(pages), wait=wait, given_up=given_up)

        asked = []
        for _ in range(3):
            next(ahead)
            settle()
            asked.append(pages.asked[-1])

        assert asked == [2, 3, 4]

    def test_two_pages_at_most_are_there_at_once(self, given_up: threading.Event):
        pages = Pages(4)

        there = []
        for _page in read_ahead(iter(pages), wait=wait, given_up=given_up):
            settle()
            there.append(pages.numbers_there())

        assert there == [[1, 2], [2, 3], [3, 4], [4]]

    def test_a_page_the_caller_is_done_with_is_gone(self, given_up: threading.Event):
        pages = Pages(3)
        ahead = read_ahead(iter(pages), wait=wait, given_up=given_up)

        next(ahead)
        settle()

        assert pages.numbers_there() == [2]

    def test_an_error_is_raised_at_its_turn(self, given_up: threading.Event):
        def fail_after_two() -> Iterator[int]:
            yield from (1, 2)
            raise LookupError("no third")

        ahead = read_ahead(fail_after_two(), wait=wait, given_up=given_up)
        assert next(ahead) == 1
        assert next(ahead) == 2
        settle()

        with pytest.raises(LookupError, match="no third"):
            next(ahead)
        assert given_up.is_set()


class TestWaiting:
    def test_a_page_that_is_there_already_is_not_waited_for(self, given_up: threading.Event):
        waits, go_on = [], threading.Event()

        def come_when_waited_for() -> Iterator[int]:
            go_on.wait(GUARD_SECONDS)
            yield from (1, 2, 3)

        def note_and_wait(page: Future[Any]) -> None:
            waits.append(page)
            go_on.set()
            wait(page)

        ahead = read_ahead(come_when_waited_for(), wait=note_and_wait, given_up=given_up)
        for _ in range(3):
            next(ahead)
            settle()

        assert len(waits) == 1

    def test_what_the_wait_raises_ends_it(self, given_up: threading.Event):
        def never_come() -> Iterator[int]:
            given_up.wait(GUARD_SECONDS)
            yield 1

        def lose_patience(_page: Future[Any]) -> None:
            raise InterruptedError

        ahead = read_ahead(never_come(), wait=lose_patience, given_up=given_up)
        with pytest.raises(InterruptedError):
            next(ahead)

        assert given_up.is_set()
        settle()
        assert list(ahead) == []


class TestEndingEarly:
    def test_closing_does_not_wait_for_what_is_in_flight(self, given_up: threading.Event):
        asked, answered = threading.Event(), threading.Event()
        fetched = []

        def hang_at_the_second() -> Iterator[int]:
            yield 1
            asked.set()
            assert answered.wait(GUARD_SECONDS)
            fetched.append(2)
            yield 2
            fetched.append(3)
            yield 3

        ahead = read_ahead(hang_at_the_second(), wait=wait, given_up=given_up)
        next(ahead)
        assert asked.wait(GUARD_SECONDS)
        ahead.close()

        assert given_up.is_set()
        assert fetched == []
        answered.set()
        settle()
        assert fetched == [2]

    def test_a_wait_of_the_pages_ends_at_once(self, given_up: threading.Event):
        ends = []

        def wait_at_the_second() -> Iterator[int]:
            yield 1
            ends.append(given_up.wait(10 * GUARD_SECONDS))

        ahead = read_ahead(wait_at_the_second(), wait=wait, given_up=given_up)
        next(ahead)
        ahead.close()

        settle()
        # Empty if the thread came too late to begin at all.
        assert ends in ([True], [])

    def test_a_process_ends_while_a_page_is_in_flight(self):
        script = """
import itertools, threading
from openedx_certificates.wire.read_ahead import read_ahead

def hang_at_the_second():
    yield 1
    threading.Event().wait()

ahead = read_ahead(hang_at_the_second(), wait=lambda page: page.result(), given_up=threading.Event())
print(next(ahead))
"""
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, timeout=60, check=True
        )

        assert ended.stdout == b"1\n"
