import socket
import threading
from queue import Queue
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tools.simulator import Learner, SimulatedCourse, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+2026"
PATH = f"/api/grades/v1/courses/{COURSE_ID}/"


@pytest.fixture
def openedx():
    learners = [Learner("alice"), Learner("bob"), Learner("carol")]
    with SimulatedOpenEdx([SimulatedCourse(COURSE_ID, learners)]) as openedx:
        yield openedx


def ask(openedx, timeout=10, **query):
    return requests.get(openedx.url + PATH, params=query, timeout=timeout, allow_redirects=False)


def ask_aside(openedx, **query):
    """Ask in another thread; the reply, or the error, is put into the queue."""
    outcome: Queue[requests.Response | Exception] = Queue()

    def run():
        try:
            outcome.put(ask(openedx, **query))
        except requests.RequestException as error:
            outcome.put(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


def connect(openedx):
    address = urlsplit(openedx.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=10)
    connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    return connection


def is_right(reply):
    return reply.status_code == 200 and [g["username"] for g in reply.json()] == ["alice"]


def test_silence_ends_with_the_right_answer_once_the_fault_is_lifted(openedx):
    openedx.set_fault("hang")
    outcome = ask_aside(openedx, username="alice")
    openedx.wait_for_requests(1)

    openedx.clear_fault()

    assert is_right(outcome.get(timeout=10))


def test_silence_has_a_limit_and_then_the_connection_is_closed(openedx):
    openedx.set_fault("hang:0.05")

    with connect(openedx) as connection:
        assert connection.recv(100) == b""


def test_headers_drip_byte_by_byte(openedx):
    openedx.set_fault("drip-headers:100")

    with connect(openedx) as connection:
        first = connection.recv(1000)
        openedx.clear_fault()
        with connection.makefile("rb") as answer:
            status_line = first + answer.readline()

    assert first == b"H"
    assert status_line == b"HTTP/1.1 200 OK\r\n"


def test_a_body_drips_behind_headers_that_came_at_once(openedx):
    openedx.set_fault("drip-body:3600000")

    with connect(openedx) as connection:
        head = connection.recv(10_000)
        openedx.clear_fault()
        body = connection.recv(10_000)

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert body.startswith(b'{"next": null')


@pytest.mark.parametrize(
    "words", ["hang", "drip-headers:3600000", "drip-body:3600000", "delay:3600000"]
)
def test_stopping_ends_whoever_waits(openedx, words):
    openedx.set_fault(words)
    outcome = ask_aside(openedx)
    openedx.wait_for_requests(1)

    openedx.stop()

    assert isinstance(outcome.get(timeout=10), requests.RequestException)


def test_a_long_delay_ends_when_the_fault_is_lifted(openedx):
    openedx.set_fault("delay:3600000")
    outcome = ask_aside(openedx, username="alice")
    openedx.wait_for_requests(1)

    openedx.clear_fault()

    assert is_right(outcome.get(timeout=10))


def test_pages_can_claim_to_go_on_at_another_origin(openedx):
    openedx.set_fault("foreign-next:http://lms.internal:8000")

    first = ask(openedx, page_size=2).json()
    cursor = parse_qs(urlsplit(first["next"]).query)["cursor"][0]
    last = ask(openedx, page_size=2, cursor=cursor).json()

    pages = [[grade["username"] for grade in page["results"]] for page in (first, last)]
    assert pages == [["alice", "bob"], ["carol"]]
    for link in (first["next"], last["previous"]):
        assert link.startswith(f"http://lms.internal:8000{PATH}?page_size=2&cursor=")
    assert last["next"] is None
    assert is_right(ask(openedx, username="alice"))
