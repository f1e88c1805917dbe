"""Pages for a patient caller: the next is on its way while one is worked on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from openedx.models import OpenEdxUser
from openedx_certificates.issuing.fetching import GradePage, fetch_grade_pages
from openedx_certificates.testing.factories import UserFactory
from openedx_certificates.wire.exceptions import OpenEdxUnreachable
from tools.simulator import Fault, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
CAST = ["alice", "bob", "carol", "dana", "erin"]
PAGES = [["alice", "bob"], ["carol", "dana"], ["erin"]]
# No assertion on speed: what never ends would hold the tests up for ever.
GUARD_SECONDS = 8.0


class Run:
    """A course run, as far as Open edX is concerned."""

    courseware_id = COURSE_ID


RUN = Run()


class LeaseLost(Exception):
    """Another process does the work now."""


@pytest.fixture
def openedx(openedx: SimulatedOpenEdx, settings: Any, db: None) -> SimulatedOpenEdx:
    """An Open edX with five learners of ours, which at two a page are three pages."""
    settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
    for username in CAST:
        UserFactory.create(openedx_user__edx_username=username)
        openedx.enroll(COURSE_ID, username, passed=True, percent=0.85)
    return openedx


def names(page: GradePage) -> list[str]:
    return [grade.username for grade, _ in page.graded]


def settle() -> None:
    """Return once no page is on its way."""
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(GUARD_SECONDS)
            assert not thread.is_alive()


class TestWhatIsAskedFor:
    def test_the_next_page_is_asked_for_while_one_is_worked_on(self, openedx: SimulatedOpenEdx):
        pages = fetch_grade_pages(RUN)

        asked = []
        for page in pages:
            settle()
            asked.append((names(page), openedx.request_count))

        assert asked == list(zip(PAGES, [2, 3, 3], strict=True))

    def test_for_whom_somebody_waits_a_page_is_asked_for_when_it_is_wanted(
        self, openedx: SimulatedOpenEdx
    ):
        pages = fetch_grade_pages(RUN, patient=False)

        asked = []
        for page in pages:
            settle()
            asked.append((names(page), openedx.request_count))

        assert asked == list(zip(PAGES, [1, 2, 3], strict=True))

    def test_a_page_that_stays_bad_raises_at_its_turn(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("500", page=3))
        pages = fetch_grade_pages(RUN)

        assert names(next(pages)) == PAGES[0]
        assert names(next(pages)) == PAGES[1]
        openedx.wait_for_requests(2 + 4)
        with pytest.raises(OpenEdxUnreachable):
            next(pages)

    def test_who_stops_early_does_not_wait_for_the_page_on_its_way(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("hang", page=2))
        pages = fetch_grade_pages(RUN)
        next(pages)
        openedx.wait_for_requests(2)

        pages.close()
        openedx.clear_fault()
        settle()

        assert openedx.request_count == 2

    def test_who_stops_early_leaves_no_page_to_be_tried_again(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("503", page=2, retry_after=300))
        pages = fetch_grade_pages(RUN)
        next(pages)
        openedx.wait_for_requests(2)

        pages.close()
        settle()

        assert openedx.request_count == 2


class TestSigningOn:
    """While a page is waited for, its caller is asked whether it still wants it."""

    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("openedx_certificates.issuing.fetching.ALIVE_SECONDS", 0.05)

    def test_it_is_called_again_and_again_in_the_callers_thread_until_the_page_is_there(
        self, openedx: SimulatedOpenEdx
    ):
        openedx.set_fault(Fault("hang", page=2))
        threads = []

        def alive() -> None:
            threads.append(threading.current_thread())
            assert OpenEdxUser.objects.count() == len(CAST)
            if len(threads) == 3:
                openedx.clear_fault()

        assert [names(page) for page in fetch_grade_pages(RUN, alive=alive)] == PAGES

        assert len(threads) >= 3
        assert set(threads) == {threading.current_thread()}

    def test_it_is_called_while_a_page_waits_to_be_tried_again(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("503", page=2, count=1, retry_after=1))
        calls = []

        pages = fetch_grade_pages(RUN, alive=lambda: calls.append(None))

        assert [names(page) for page in pages] == PAGES
        assert calls

    def test_what_it_raises_ends_the_pages_and_the_wait_for_another_try(
        self, openedx: SimulatedOpenEdx
    ):
        openedx.set_fault(Fault("503", page=2, retry_after=300))

        def lose_lease_at_the_second() -> None:
            if openedx.request_count == 2:
                raise LeaseLost

        pages = fetch_grade_pages(RUN, alive=lose_lease_at_the_second)
        next(pages)
        with pytest.raises(LeaseLost):
            next(pages)
        settle()

        assert openedx.request_count == 2
        assert list(pages) == []


@pytest.mark.django_db(transaction=True)
class TestTheDatabaseMeanwhile:
    def test_a_page_that_is_there_already_leaves_the_connection_as_it_is(
        self, openedx: SimulatedOpenEdx
    ):
        pages = fetch_grade_pages(RUN)
        next(pages)

        with counting_connections() as opened:
            for _ in PAGES[1:]:
                settle()
                next(pages)

        assert opened == []

    def test_the_connection_is_given_back_while_a_page_is_waited_for(
        self, openedx: SimulatedOpenEdx, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("openedx_certificates.issuing.fetching.ALIVE_SECONDS", 0.05)
        openedx.set_fault(Fault("hang", page=2))
        held = []

        def alive() -> None:
            held.append(connection.connection is not None)
            openedx.clear_fault()

        assert [names(page) for page in fetch_grade_pages(RUN, alive=alive)] == PAGES
        assert set(held) == {False}

    def test_a_page_is_fetched_without_a_connection_of_its_threads_own(
        self, openedx: SimulatedOpenEdx
    ):
        with counting_connections() as opened:
            pages = [names(page) for page in fetch_grade_pages(RUN)]

        assert pages == PAGES
        assert set(opened) <= {threading.current_thread()}


@contextmanager
def counting_connections() -> Iterator[list[threading.Thread]]:
    """Yield a list that grows, by the thread, with each connection that is opened."""
    opened: list[threading.Thread] = []

    def note(**_details: Any) -> None:
        opened.append(threading.current_thread())

    connection_created.connect(note)
    try:
        yield opened
    finally:
        connection_created.disconnect(note)
