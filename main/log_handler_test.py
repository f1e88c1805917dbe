"""Standard error as a pipe, and what becomes of the log while it is not read."""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from courses.models import CourseRun
from main import logs
from main.log_handler import LogHandler
from openedx_certificates.instruments import INSTRUMENTS
from site_tests.processes import Programs
from users.models import User

DROPPED = "log lines were dropped: nobody read them"
SERIES = "mitxonline_certificate_log_lines_dropped_total"
METRICS_TOKEN = "a-token-that-nobody-guesses"
SMALL_PIPE = 4 * 4096


class Pipe:
    """A pipe that is read when the test says so."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read_bytes(self) -> bytes:
        """Return all that is in it."""
        content = b""
        while True:
            try:
                content += os.read(self.reader, 65_536)
            except BlockingIOError:
                return content

    def read(self) -> list[dict[str, Any]]:
        """Return the fields of all lines in it, each of which must be a JSON object."""
        return [json.loads(line) for line in self.read_bytes().splitlines()]

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def handler(pipe: Pipe) -> Iterator[LogHandler]:
    """A handler that writes to a small pipe, as in production."""
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
    with open(pipe.writer, "w", closefd=False) as stream:
        handler = LogHandler(stream)
        options = logs.formatter(as_json=True)
        handler.setFormatter(options.pop("()")(**options))
        yield handler


def log(handler: LogHandler, number: int, *, size: int = 100) -> None:
    fields = {"name": "courses.x", "levelno": logging.INFO, "levelname": "INFO", "number": number}
    handler.handle(logging.makeLogRecord({**fields, "msg": "x" * size}))


def count_dropped() -> float:
    return INSTRUMENTS.get_sample_value(SERIES, {"level": "info"}) or 0


def test_lines_that_nobody_reads_are_dropped_and_the_next_one_says_how_many(
    handler: LogHandler, pipe: Pipe
):
    counted = count_dropped()
    for number in range(200):
        log(handler, number)
    before = pipe.read()
    log(handler, 200)
    log(handler, 201)

    after = pipe.read()

    assert [line["number"] for line in before] == list(range(len(before)))
    assert 0 < len(before) < 200
    assert (after[0]["event"], after[0]["level"]) == (DROPPED, "warning")
    assert after[0]["lines"] == count_dropped() - counted == 200 - len(before)
    assert [line["number"] for line in after[1:]] == [200, 201]


def test_what_is_left_of_a_long_line_comes_before_the_next(handler: LogHandler, pipe: Pipe):
    log(handler, 0, size=2 * SMALL_PIPE)
    log(handler, 1)
    first_part = pipe.read_bytes()
    log(handler, 2)
    second_part = pipe.read_bytes()
    log(handler, 3)

    content = first_part + second_part + pipe.read_bytes()
    long, *others = [json.loads(line) for line in content.splitlines()]
    assert (long["number"], len(long["event"])) == (0, 2 * SMALL_PIPE)
    # While the rest of it went out there was no room for the second, which is told of later.
    assert [line.get("number", line["event"]) for line in others] == [DROPPED, 3]
    assert others[0]["lines"] == 2


def test_a_forked_process_tells_of_its_own_lines(handler: LogHandler, pipe: Pipe):
    for number in range(200):
        log(handler, number)
    pipe.read()

    if (child := os.fork()) == 0:
        log(handler, 1)
        os._exit(0)
    os.waitpid(child, 0)
    of_child = pipe.read()
    log(handler, 2)

    assert [line.get("number") for line in of_child] == [1]
    assert [line.get("number") for line in pipe.read()] == [None, 2]


def test_lines_for_a_reader_that_has_gone_are_dropped_until_another_comes(
    handler: LogHandler, pipe: Pipe
):
    os.close(pipe.reader)
    log(handler, 0)

    pipe.reader = os.open(f"/proc/self/fd/{pipe.writer}", os.O_RDONLY | os.O_NONBLOCK)
    log(handler, 1)

    told, line = pipe.read()
    assert (told["event"], told["lines"]) == (DROPPED, 1)
    assert line["number"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_log_that_nobody_reads_costs_no_event(programs: Programs, run: CourseRun, dana: User):
    pipe = Pipe()
    web = programs.start_web_server(stderr=pipe.writer, METRICS_TOKEN=METRICS_TOKEN)
    event = {"email": dana.email, "course_id": run.courseware_id}

    with ThreadPoolExecutor(4) as senders:
        replies = list(senders.map(web.post, [event] * 300))
    page = requests.get(
        f"{web.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=10
    ).text
    dropped = sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(SERIES))
    before = pipe.read()
    web.post(event)
    after = pipe.read()

    assert [reply and reply.status_code for reply in replies] == [200] * 300
    answered = [line for line in before if line["event"] == "certificate webhook answered"]
    assert 0 < len(answered) < 300
    assert (after[0]["event"], after[0]["lines"]) == (DROPPED, dropped)
    assert after[-1]["event"] == "request_finished"
    pipe.close()
