import json
import socket
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import requests

from tools.simulator import Learner, SimulatedCourse, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+2026"


@pytest.fixture
def openedx():
    with SimulatedOpenEdx([SimulatedCourse(COURSE_ID, [Learner("alice")])]) as openedx:
        yield openedx


def ask(openedx, session=requests, **options):
    url = f"{openedx.url}/api/grades/v1/courses/course-v1%3AMITx%2B6.00x%2B2026/?username=a%40b"
    return session.get(url, timeout=10, **options)


def talk(openedx, content):
    address = urlsplit(openedx.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(content)
        with connection.makefile("rb") as answer:
            return answer.read()


def test_requests_are_recorded_as_they_came(openedx):
    before = datetime.now(UTC)
    ask(openedx, headers={"Authorization": "Bearer secret", "X-Trace": "7"})

    (request,) = openedx.requests
    assert request.method == "GET"
    assert request.path == "/api/grades/v1/courses/course-v1%3AMITx%2B6.00x%2B2026/"
    assert request.target == request.path + "?username=a%40b"
    assert request.course_id == COURSE_ID
    assert request.query == {"username": "a@b"}
    assert request.authorization == "Bearer secret"
    assert request.headers["x-trace"] == "7"
    assert before <= request.received_at <= datetime.now(UTC)


def test_only_the_latest_requests_are_kept_and_all_are_counted():
    with SimulatedOpenEdx(keep_requests=2) as openedx:
        for path in ("first", "second", "third"):
            requests.get(f"{openedx.url}/{path}", timeout=10)

        assert [request.path for request in openedx.requests] == ["/second", "/third"]
        assert openedx.request_count == 3
        openedx.clear_requests()
        assert (openedx.requests, openedx.request_count) == ([], 0)


def test_waiting_for_a_request_that_does_not_come_has_an_end(openedx):
    with pytest.raises(TimeoutError, match="0 of 1"):
        openedx.wait_for_requests(1, timeout_seconds=0.01)


def test_stopping_cuts_idle_connections_and_starting_again_takes_the_same_port(openedx):
    url = openedx.url
    with requests.Session() as session:
        ask(openedx, session)

        openedx.stop()
        openedx.stop()
        with pytest.raises(requests.ConnectionError):
            ask(openedx, session)

        openedx.start()
        openedx.start()
        assert openedx.url == url
        assert ask(openedx, session).status_code == 404


def test_a_port_that_is_taken_is_an_os_error(openedx):
    port = urlsplit(openedx.url).port

    with pytest.raises(OSError, match="in use"):
        SimulatedOpenEdx(port=port).start()


@pytest.mark.parametrize(
    "header", ["Content-Length: x", "Content-Length: 9999999", "Transfer-Encoding: chunked"]
)
def test_a_body_without_a_sensible_length_is_refused(openedx, header):
    answer = talk(openedx, f"PUT /simulator/fault HTTP/1.1\r\n{header}\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close\r\n" in answer


def test_the_access_log_has_one_line_for_each_request():
    lines: list[str] = []
    with SimulatedOpenEdx(access_log=lines.append) as openedx:
        openedx.set_fault("503")
        talk(openedx, b"GET /a\x1b[31m\rb HTTP/1.1\r\nConnection: close\r\n\r\n")
        talk(openedx, b"GET /c HTTP/1.1\r\nConnection: close\r\n\r\n")
        talk(openedx, b"nonsense\r\n\r\n")

    assert not any(set(line) & set("\x1b\r\n") for line in lines)
    served = [line for line in lines if line.startswith('"GET /c')]
    assert len(served) == 1
    assert " 503 (503) " in served[0]
    assert json.loads(lines[-1]) == '"nonsense" 400 -'


def test_a_caller_who_goes_away_is_no_error(openedx, capfd):
    # More than the buffers of a connection hold: the answer is still being written.
    openedx.set_grade(COURSE_ID, "alice", record="x" * 32_000_000)
    address = urlsplit(openedx.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        path = f"/api/grades/v1/courses/{COURSE_ID}/?username=alice"
        connection.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        openedx.wait_for_requests(1)

    openedx.stop()

    assert capfd.readouterr().err == ""


def test_a_bug_of_ours_is_shown(capfd):
    def fail(line):
        raise RuntimeError(f"no place for {line}")

    with SimulatedOpenEdx(access_log=fail) as openedx:
        requests.get(openedx.url, timeout=10)

    assert "RuntimeError: no place for" in capfd.readouterr().err
