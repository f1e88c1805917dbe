"""The question for all learners of a course: pages as they come, and what a bad one costs."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from openedx_certificates.testing.clients import make_client
from openedx_certificates.wire.client import OpenEdxClient
from openedx_certificates.wire.exceptions import (
    OpenEdxError,
    OpenEdxNonsense,
    OpenEdxNotFound,
    OpenEdxRefused,
    OpenEdxThrottled,
    OpenEdxTimeout,
    OpenEdxUnreachable,
)
from openedx_certificates.wire.grades import RefusedGrade
from openedx_certificates.wire.paging import BARREN_PAGES
from tools.simulator import Fault, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
CAST = ["alice", "bob", "carol", "dana", "erin"]
PAGES = [["alice", "bob"], ["carol", "dana"], ["erin"]]


@pytest.fixture
def openedx(openedx: SimulatedOpenEdx) -> SimulatedOpenEdx:
    """An Open edX with five learners, which at two a page are three pages."""
    for username in CAST:
        openedx.enroll(COURSE_ID, username, passed=True, percent=0.85)
    return openedx


@pytest.fixture
def waits() -> list[float]:
    """The seconds the client has waited, or would have."""
    return []


@pytest.fixture
def client(openedx: SimulatedOpenEdx, waits: list[float]) -> OpenEdxClient:
    """A client that asks for two learners a page, and only notes how long it should wait."""
    return make_client(openedx.url, page_size=2, page_retry_delay=1.0, sleep=waits.append)


def read(client: OpenEdxClient) -> tuple[list[list[str | None]], OpenEdxError | None]:
    """Read all pages; return the usernames on each, and the error that ended them."""
    pages = []
    try:
        for page in client.iter_grade_pages(COURSE_ID):
            pages.append([record.username for record in page])  # noqa: PERF401 - kept on an error
    except OpenEdxError as error:
        return pages, error
    return pages, None


def page(*records: Any, following: object = None) -> str:
    return json.dumps({"next": following, "previous": None, "results": list(records)})


class TestAllPages:
    def test_every_learner_comes_once_and_in_order(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, waits: list[float]
    ):
        assert read(client) == (PAGES, None)

        assert openedx.request_count == 3
        assert waits == []

    def test_a_page_is_handed_on_before_the_next_is_asked_for(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        pages = client.iter_grade_pages(COURSE_ID)
        assert openedx.request_count == 0

        next(pages)
        assert openedx.request_count == 1

        next(pages)
        assert openedx.request_count == 2

    def test_every_page_is_asked_for_with_our_size_and_our_token(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        read(client)

        assert [request.query["page_size"] for request in openedx.requests] == ["2", "2", "2"]
        assert {request.authorization for request in openedx.requests} == {
            "Bearer service-worker-token"
        }

    def test_a_course_of_nobody_is_an_empty_page(self, openedx: SimulatedOpenEdx):
        for username in CAST:
            openedx.unenroll(COURSE_ID, username)

        assert read(make_client(openedx.url)) == ([[]], None)

    @pytest.mark.parametrize("patient", [True, False], ids=["patient", "impatient"])
    def test_an_old_release_that_answers_everybody_at_once_is_handed_on_in_pages(
        self, patient: bool
    ):
        with SimulatedOpenEdx(token="service-worker-token", bare_list=True) as old:
            for username in CAST:
                old.enroll(COURSE_ID, username)

            pages = make_client(old.url).iter_grade_pages(COURSE_ID, patient=patient)

            assert [[record.username for record in page] for page in pages] == PAGES
            assert old.request_count == 1

    def test_an_old_release_answers_a_course_of_nobody_with_an_empty_page(self):
        with SimulatedOpenEdx(token="service-worker-token", bare_list=True) as old:
            old.enroll(COURSE_ID, "alice")
            old.unenroll(COURSE_ID, "alice")

            assert read(make_client(old.url)) == ([[]], None)

    def test_pages_larger_than_we_asked_for_are_handed_on_in_ours(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        people = [{"username": username} for username in ["zoe", "yann", "xenia"]]
        following = f"{openedx.url}/x?page_size=2"
        openedx.set_fault(Fault("json", text=page(*people, following=following), count=1))

        assert read(client) == ([["zoe", "yann"], ["xenia"], *PAGES], None)
        assert openedx.request_count == 1 + 3

    def test_a_learner_open_edx_leaves_out_is_left_out(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        openedx.set_grade(COURSE_ID, "carol", computable=False)

        assert read(client) == ([["alice", "bob"], ["dana"], ["erin"]], None)


class TestOneBadGrade:
    @pytest.mark.parametrize(
        "fields",
        [
            {"percent": None},
            {"percent": "high"},
            {"percent": float("nan")},
            {"passed": None},
            {"letter_grade": "B" * 11},
            {"course_id": "course-v1:MITx+6.00x+2T2026"},
        ],
        ids=lambda fields: next(iter(fields)),
    )
    def test_a_refused_grade_spoils_only_its_learner(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, fields: dict[str, Any]
    ):
        openedx.set_grade(COURSE_ID, "bob", **fields)

        records = [record for page in client.iter_grade_pages(COURSE_ID) for record in page]

        assert [record.username for record in records] == CAST
        refused = [record.username for record in records if isinstance(record, RefusedGrade)]
        assert refused == ["bob"]

    @pytest.mark.parametrize("record", [None, [], "bob"], ids=["null", "a list", "a string"])
    def test_a_record_that_is_no_object_spoils_only_itself(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, record: object
    ):
        openedx.set_grade(COURSE_ID, "bob", record=record)

        assert read(client) == ([["alice", None], ["carol", "dana"], ["erin"]], None)

    def test_a_percent_of_five_thousand_digits_spoils_only_its_learner(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        grade = {"course_id": COURSE_ID, "passed": True, "letter_grade": None}
        text = page(
            grade | {"username": "alice", "percent": 0.85},
            grade | {"username": "bob", "percent": "PERCENT"},
        ).replace('"PERCENT"', "9" * 5000)
        openedx.set_fault(Fault("json", text=text))

        (records,) = client.iter_grade_pages(COURSE_ID)

        assert [type(record).__name__ for record in records] == ["EdxGrade", "RefusedGrade"]

    @pytest.mark.parametrize("patient", [True, False], ids=["patient", "impatient"])
    def test_a_learner_with_a_key_twice_is_refused_and_named_and_the_others_come(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, patient: bool
    ):
        openedx.set_fault(Fault("repeated-key", page=2))

        pages = client.iter_grade_pages(COURSE_ID, patient=patient)
        records = [record for page in pages for record in page]

        assert [record.username for record in records] == CAST
        assert [record for record in records if isinstance(record, RefusedGrade)] == [
            RefusedGrade("carol", "a key stands twice")
        ]


class TestAPageThatFails:
    @pytest.mark.parametrize(
        "fault",
        [
            *("500", "503", "close", "truncated", "html", "malformed", "empty-object", "json:5"),
            'json:{"results": [], "results": []}',
            'json:{"results": [], "next": null, "previous": [{"a": {"b": 1, "b": 1}}]}',
        ],
    )
    @pytest.mark.parametrize("number", [1, 2, 3], ids=["first", "middle", "last"])
    def test_three_failures_are_outlived(
        self,
        openedx: SimulatedOpenEdx,
        client: OpenEdxClient,
        waits: list[float],
        fault: str,
        number: int,
    ):
        openedx.set_fault(Fault.parse(fault, page=number, count=3))

        assert read(client) == (PAGES, None)

        assert openedx.request_count == 3 + 3
        assert waits == [1, 2, 4]

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("500", OpenEdxUnreachable),
            ("503", OpenEdxUnreachable),
            ("429", OpenEdxThrottled),
            ("close", OpenEdxUnreachable),
            ("truncated", OpenEdxUnreachable),
            ("html", OpenEdxNonsense),
            ("redirect", OpenEdxNonsense),
        ],
    )
    def test_four_failures_end_it_and_the_pages_before_are_kept(
        self,
        openedx: SimulatedOpenEdx,
        client: OpenEdxClient,
        fault: str,
        error: type[OpenEdxError],
    ):
        openedx.set_fault(Fault(fault, page=3))

        pages, failure = read(client)

        assert pages == PAGES[:2]
        assert type(failure) is error
        assert openedx.request_count == 2 + 4

    def test_a_page_that_hangs_is_asked_for_again(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("hang", page=2, count=1))

        assert read(make_client(openedx.url, timeout=0.5)) == (PAGES, None)
        assert openedx.request_count == 3 + 1

    def test_a_page_that_hangs_for_good_is_a_timeout(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("hang", page=2))

        pages, failure = read(make_client(openedx.url, timeout=0.5))

        assert pages == PAGES[:1]
        assert type(failure) is OpenEdxTimeout
        openedx.wait_for_requests(1 + 4)
        assert openedx.request_count == 1 + 4

    @pytest.mark.parametrize(
        ("fault", "error"),
        [("401", OpenEdxRefused), ("403", OpenEdxRefused), ("404", OpenEdxNotFound)],
    )
    def test_what_asking_again_cannot_mend_is_not_asked_again(
        self,
        openedx: SimulatedOpenEdx,
        client: OpenEdxClient,
        waits: list[float],
        fault: str,
        error: type[OpenEdxError],
    ):
        openedx.set_fault(Fault(fault, page=2))

        pages, failure = read(client)

        assert pages == PAGES[:1]
        assert type(failure) is error
        assert openedx.request_count == 1 + 1
        assert waits == []


class TestRetryAfter:
    @pytest.mark.parametrize("status", ["429", "503"])
    @pytest.mark.parametrize("seconds", [0, 7, 300])
    def test_it_is_waited_for_as_long_as_open_edx_asks(
        self,
        openedx: SimulatedOpenEdx,
        client: OpenEdxClient,
        waits: list[float],
        status: str,
        seconds: int,
    ):
        openedx.set_fault(Fault(status, page=2, count=2, retry_after=seconds))

        assert read(client) == (PAGES, None)

        assert waits == [seconds, seconds]

    def test_a_date_is_waited_for(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, waits: list[float]
    ):
        openedx.set_fault(Fault("429-date", page=2, count=1, retry_after=200))

        assert read(client) == (PAGES, None)

        assert waits == [pytest.approx(200, abs=60)]

    def test_nonsense_leaves_our_own_wait(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, waits: list[float]
    ):
        openedx.set_fault(Fault("429", page=2, count=2, retry_after="soon"))

        assert read(client) == (PAGES, None)

        assert waits == [1, 2]

    def test_more_than_five_minutes_are_left_to_the_next_sweep(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, waits: list[float]
    ):
        openedx.set_fault(Fault("429", page=2, retry_after=301))

        pages, failure = read(client)

        assert pages == PAGES[:1]
        assert isinstance(failure, OpenEdxThrottled)
        assert failure.retry_after == 301
        assert openedx.request_count == 1 + 1
        assert waits == []


class TestWhereTheNextPageIs:
    @pytest.mark.parametrize("patient", [True, False], ids=["patient", "impatient"])
    def test_the_token_does_not_go_to_another_origin(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, patient: bool
    ):
        with SimulatedOpenEdx() as elsewhere:
            elsewhere.enroll(COURSE_ID, "mallory")
            openedx.set_fault(Fault("foreign-next", target=elsewhere.url))

            pages = client.iter_grade_pages(COURSE_ID, patient=patient)

            assert [[record.username for record in page] for page in pages] == PAGES
            assert elsewhere.request_count == 0
            assert openedx.request_count == 3

    def test_a_page_that_redirects_to_another_origin_is_not_followed(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        with SimulatedOpenEdx() as elsewhere:
            openedx.set_fault(Fault("redirect", page=2, target=elsewhere.url))

            _, failure = read(client)

            assert type(failure) is OpenEdxNonsense
            assert elsewhere.request_count == 0

    @pytest.mark.parametrize(
        "address",
        [
            pytest.param("http://elsewhere.invalid/x?cursor=abc", id="another host"),
            pytest.param("http://{host}:1/x?cursor=abc", id="another port"),
            pytest.param("https://{authority}/x?cursor=abc", id="https in place of http"),
            pytest.param("http://{host}/x?cursor=abc", id="the scheme's own port"),
            pytest.param("http://[::1]:8000/x?cursor=abc", id="an address of version 6"),
            pytest.param("http://{authority}@elsewhere.invalid/x?cursor=abc", id="we as its user"),
            pytest.param("http://elsewhere.invalid\\@{authority}/x?cursor=abc", id="a backslash"),
            pytest.param("//elsewhere.invalid/x?cursor=abc", id="without a scheme"),
            pytest.param("ftp:x?cursor=abc", id="with another scheme"),
            pytest.param("/x?cursor=abc", id="without a host"),
            pytest.param("?cursor=abc", id="a query alone"),
            pytest.param("http://{authority}/x?cursor=abc#f", id="with a fragment"),
        ],
    )
    def test_only_the_query_counts(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, address: str
    ):
        ours = urlsplit(openedx.url)
        address = address.format(host=ours.hostname, authority=ours.netloc)
        openedx.set_fault(Fault("json", text=page(following=address), count=1))

        pages, failure = read(client)

        assert pages == [[]]
        # Our Open edX knows no such cursor; the address that was asked is the point.
        assert type(failure) is OpenEdxNotFound
        first = openedx.requests[0].target.partition("?")[0]
        assert openedx.requests[1].target == f"{first}?cursor=abc"
        assert openedx.requests[1].headers["host"] == ours.netloc
        assert openedx.requests[1].authorization == "Bearer service-worker-token"

    @pytest.mark.parametrize(
        "address",
        [
            pytest.param("http://{authority}/x", id="without a query"),
            pytest.param("http://{authority}/x?", id="an empty query"),
            pytest.param("http://{authority}/x#?cursor=abc", id="a query in the fragment"),
            pytest.param("/x", id="a path alone"),
            pytest.param("more", id="a word"),
            pytest.param("http://[::1/x?cursor=abc", id="half an address of version 6"),
            pytest.param("http://{host}:port/x?cursor=abc", id="a port that is no number"),
            pytest.param("http://{host}:99999/x?cursor=abc", id="a port beyond all ports"),
            pytest.param("http://{authority}/x?cursor=\ud800", id="a lone surrogate"),
            pytest.param(5, id="a number"),
            pytest.param(True, id="a boolean"),
            pytest.param(["http://{authority}/x?cursor=abc"], id="a list"),
        ],
    )
    def test_an_address_that_names_no_place_is_nonsense(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, address: object
    ):
        ours = urlsplit(openedx.url)
        if isinstance(address, str):
            address = address.format(host=ours.hostname, authority=ours.netloc)
        openedx.set_fault(Fault("json", text=page(following=address)))

        pages, failure = read(client)

        assert pages == [[]]
        assert type(failure) is OpenEdxNonsense
        assert openedx.request_count == 1

    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            pytest.param("http://lms.internal", "lms.internal", id="another host"),
            pytest.param("http://LMS.internal:8000", "LMS.internal:8000", id="and port"),
            pytest.param("http://{host}:1", "{host}:1", id="another port"),
            pytest.param("http://[::1]:8000", "[::1]:8000", id="an address of version 6"),
            pytest.param("http://u:secret@lms.internal", "lms.internal", id="with a password"),
            pytest.param(f"http://{'a' * 9999}", "a" * 260, id="a name that no host has"),
        ],
    )
    def test_a_foreign_host_is_named_in_one_warning_a_course(
        self,
        openedx: SimulatedOpenEdx,
        client: OpenEdxClient,
        caplog: pytest.LogCaptureFixture,
        origin: str,
        host: str,
    ):
        ours = urlsplit(openedx.url).hostname
        openedx.set_fault(Fault("foreign-next", target=origin.format(host=ours)))

        assert read(client) == (PAGES, None)
        assert read(client) == (PAGES, None)

        told = [(line.levelname, line.course_id, line.host) for line in caplog.records]
        assert told == [("WARNING", COURSE_ID, host.format(host=ours))] * 2
        assert "cursor" not in str([vars(line) for line in caplog.records])

    @pytest.mark.parametrize(
        "origin",
        [
            pytest.param("https://localhost:{port}", id="another scheme"),
            pytest.param("http://LocalHost:{port}", id="another case"),
            pytest.param("http://localhost", id="the scheme's own port"),
            pytest.param("https://localhost:443", id="the scheme's own port, written"),
            pytest.param("http://mallory:secret@localhost:{port}", id="with a password"),
        ],
    )
    def test_our_host_in_other_words_is_no_foreign_one(
        self, openedx: SimulatedOpenEdx, caplog: pytest.LogCaptureFixture, origin: str
    ):
        port = urlsplit(openedx.url).port
        openedx.set_fault(Fault("foreign-next", target=origin.format(port=port)))

        assert read(make_client(f"http://localhost:{port}")) == (PAGES, None)

        assert caplog.records == []

    def test_pages_that_tell_of_nobody_new_have_an_end(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        openedx.set_fault(
            *(
                Fault(
                    "json",
                    text=page(
                        {"username": "Alice" if number % 2 else "aliCE"},
                        following=f"http://lms.internal/x?cursor={number}",
                    ),
                    count=1,
                )
                for number in range(60)
            )
        )

        pages, failure = read(client)

        assert len(pages) == BARREN_PAGES
        assert type(failure) is OpenEdxNonsense
        assert openedx.request_count == 1 + BARREN_PAGES

    def test_pages_that_lead_in_a_circle_have_an_end(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, waits: list[float]
    ):
        openedx.set_fault(Fault("json", text=page(following=f"{openedx.url}/x?cursor=abc")))

        pages, failure = read(client)

        assert pages == [[], []]
        assert type(failure) is OpenEdxNonsense
        assert waits == []

    def test_an_empty_address_is_the_end(self, openedx: SimulatedOpenEdx, client: OpenEdxClient):
        openedx.set_fault(Fault("json", text=page(following="")))

        assert read(client) == ([[]], None)
