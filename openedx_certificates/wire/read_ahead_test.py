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
    def test_nothing_is_fetched_before_the_first_is_wanted(self, given_up: threading.Event):
        pages = Pages(3)

        read_ahead(iter(pages), wait=wait, given_up=given_up)
        settle()

        assert pages.asked == []

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


class TestEndingEarly:
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
