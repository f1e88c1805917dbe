"""A page that is too much for Open edX: the same place is asked for again, and less of it."""

import json
from typing import Any

import pytest

from openedx_certificates.testing.clients import make_client
from openedx_certificates.wire.client import OpenEdxClient
from openedx_certificates.wire.exceptions import (
    OpenEdxError,
    OpenEdxNonsense,
    OpenEdxTimeout,
    OpenEdxUnreachable,
)
from tools.simulator import Fault, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"


def enroll(openedx: SimulatedOpenEdx, count: int) -> list[str]:
    """Return the usernames of so many learners, all passed."""
    cast = [f"learner-{number}" for number in range(count)]
    for username in cast:
        openedx.enroll(COURSE_ID, username, passed=True, percent=0.85)
    return cast


def make_hurried_client(openedx: SimulatedOpenEdx, page_size: int, **changes: Any) -> OpenEdxClient:
    """Return a client with little time, for pages that never come."""
    return make_client(openedx.url, page_size=page_size, **{"timeout": 0.5} | changes)


def read(
    client: OpenEdxClient, *, patient: bool = True
) -> tuple[list[str | None], OpenEdxError | None]:
    """Read all pages; return the usernames in their order, and the error that ended them."""
    usernames = []
    try:
        for page in client.iter_grade_pages(COURSE_ID, patient=patient):
            usernames += [record.username for record in page]
    except OpenEdxError as error:
        return usernames, error
    return usernames, None


def sizes(openedx: SimulatedOpenEdx) -> list[int]:
    """Return how many learners each request asked for."""
    return [int(request.query["page_size"]) for request in openedx.requests]


def cursors(openedx: SimulatedOpenEdx) -> list[str | None]:
    """Return which place each request asked for."""
    return [request.query.get("cursor") for request in openedx.requests]


def page(*records: Any, following: object = None) -> str:
    return json.dumps({"next": following, "previous": None, "results": list(records)})


class TestSmaller:
    def test_a_page_that_takes_too_long_is_asked_for_at_half_the_size_as_are_those_after_it(
        self, openedx: SimulatedOpenEdx
    ):
        cast = enroll(openedx, 100)
        openedx.set_fault(Fault("hang", page=2, count=1))

        assert read(make_hurried_client(openedx, 40)) == (cast, None)

        assert sizes(openedx) == [40, 40, 20, 20, 20]
        first, second, again, *_ = cursors(openedx)
        assert first is None
        assert second == again is not None

    def test_the_first_page_can_become_smaller_too(self, openedx: SimulatedOpenEdx):
        cast = enroll(openedx, 30)
        openedx.set_fault(Fault("hang", count=2))

        assert read(make_hurried_client(openedx, 40)) == (cast, None)

        assert sizes(openedx) == [40, 20, 10, 10, 10]
        assert cursors(openedx)[:3] == [None] * 3

    def test_a_proxy_that_gave_up_waiting_means_too_long(self, openedx: SimulatedOpenEdx):
        cast = enroll(openedx, 40)
        openedx.set_fault(Fault("504", count=1))

        assert read(make_hurried_client(openedx, 40)) == (cast, None)

        assert sizes(openedx) == [40, 20, 20]

    @pytest.mark.parametrize(
        ("page_size", "asked"),
        [
            pytest.param(100, [100, 50, 25, 12], id="half each time"),
            pytest.param(30, [30, 15, 10, 10], id="ten at least"),
            pytest.param(10, [10] * 4, id="ten from the start"),
            pytest.param(2, [2] * 4, id="fewer from the start"),
        ],
    )
    def test_a_page_that_never_comes_has_four_tries(
        self, openedx: SimulatedOpenEdx, page_size: int, asked: list[int]
    ):
        enroll(openedx, 5)
        openedx.set_fault("hang")

        usernames, failure = read(make_hurried_client(openedx, page_size))

        assert usernames == []
        assert type(failure) is OpenEdxTimeout
        # On a busy machine the last one is given up before it has come.
        openedx.wait_for_requests(len(asked))
        assert sizes(openedx) == asked

    @pytest.mark.parametrize("fault", ["503", "close", "html", "429:0"])
    def test_a_page_that_fails_in_another_way_keeps_its_size(
        self, openedx: SimulatedOpenEdx, fault: str
    ):
        cast = enroll(openedx, 60)
        openedx.set_fault(Fault.parse(fault, on="page:2", count=3))

        assert read(make_client(openedx.url, page_size=40)) == (cast, None)

        assert sizes(openedx) == [40] * 5

    def test_for_whom_somebody_waits_the_size_stays(self, openedx: SimulatedOpenEdx):
        cast = enroll(openedx, 60)
        openedx.set_fault(Fault("close", page=2, count=1))
        client = make_client(openedx.url, page_size=40)

        assert read(client, patient=False) == (cast, None)

        assert sizes(openedx) == [40, 40, 40]


class TestLargerAgain:
    def test_ten_good_pages_double_the_size_up_to_ours(self, openedx: SimulatedOpenEdx):
        cast = enroll(openedx, 10 * 10 + 10 * 20 + 3 * 30)
        openedx.set_fault(Fault("hang", count=2))

        assert read(make_hurried_client(openedx, 30)) == (cast, None)

        # Thirty is what we ask for, so it is not forty.
        assert sizes(openedx) == [30, 15] + [10] * 10 + [20] * 10 + [30] * 3

    def test_a_failure_begins_the_count_anew(self, openedx: SimulatedOpenEdx):
        cast = enroll(openedx, 19 * 10 + 20)
        openedx.set_fault(Fault("hang", page=1, count=1), Fault("500", page=10, count=1))

        assert read(make_hurried_client(openedx, 20)) == (cast, None)

        assert sizes(openedx) == [20] + [10] * 9 + [10] + [10] * 10 + [20]


class TestTheSamePlace:
    def test_the_rest_of_the_address_stays_as_it_came(self, openedx: SimulatedOpenEdx):
        address = f"{openedx.url}/x?z=a%2Fb&{{0}}&cursor=abc&my_page_size=7&{{0}}"
        openedx.set_fault(
            Fault("json", text=page(following=address.format("page_size=50")), count=1),
            Fault("hang", count=1),
        )

        # Our Open edX knows no such cursor; that it was asked, and how, is the point.
        read(make_hurried_client(openedx, 40))

        queries = [request.target.partition("?")[2] for request in openedx.requests]
        assert queries == [
            "page_size=40",
            "z=a%2Fb&page_size=40&cursor=abc&my_page_size=7&page_size=40",
            "z=a%2Fb&page_size=20&cursor=abc&my_page_size=7&page_size=20",
        ]

    def test_a_place_that_comes_again_at_another_size_is_a_circle(self, openedx: SimulatedOpenEdx):
        here = f"{openedx.url}/x?cursor=abc&page_size="
        openedx.set_fault(
            Fault("json", text=page(following=f"{here}40"), count=1),
            Fault("json", text=page(following=f"{here}20"), count=1),
        )

        _, failure = read(make_client(openedx.url, page_size=40))

        assert type(failure) is OpenEdxNonsense
        assert openedx.request_count == 2


class TestGivingUp:
    def test_who_gives_up_while_waiting_gets_the_last_error_and_no_further_try(
        self, openedx: SimulatedOpenEdx
    ):
        enroll(openedx, 5)
        openedx.set_fault(Fault("503", page=2, retry_after=7))
        waits: list[float] = []

        def give_up_at_the_second(seconds: float) -> bool:
            waits.append(seconds)
            return len(waits) == 2

        pages = make_client(openedx.url).iter_grade_pages(COURSE_ID, wait=give_up_at_the_second)
        next(pages)
        with pytest.raises(OpenEdxUnreachable) as caught:
            next(pages)

        assert caught.value.retry_after == 7
        assert waits == [7, 7]
        assert openedx.request_count == 1 + 2
