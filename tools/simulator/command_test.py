import io
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Queue

import pytest
import requests
from django.core.management import CommandError, call_command

from tools.simulator import Fault, SimulatedOpenEdx
from tools.simulator import __main__ as simulate_openedx

COURSE_ID = "course-v1:MITx+6.00x+2026"
ROOT = Path(__file__).resolve().parents[2]
TOKEN = "service-worker-token"


@pytest.fixture
def courses_file(tmp_path):
    learners = [
        {"username": "alice", "email": "alice@example.com", "passed": True, "percent": 0.9},
        {"username": "bob"},
        {"username": "carol@home", "email": "carol@example.com"},
    ]
    path = tmp_path / "courses.json"
    path.write_text(json.dumps({"courses": [{"course_id": COURSE_ID, "learners": learners}]}))
    return path


class Terminal(io.StringIO):
    """Collects what is printed and hands every line on as it comes."""

    def __init__(self):
        super().__init__()
        self.lines: Queue[str] = Queue()

    def write(self, text):
        self.lines.put(text)
        return super().write(text)


def find_url(line):
    return next(word for word in line.split() if word.startswith("http://"))


def serve(visit, *arguments, ending=signal.SIGTERM):
    """Run the command here, call ``visit`` with the URL once it listens, then end it."""
    terminal = Terminal()
    main_thread = threading.get_ident()
    result = []

    def look_on():
        url = find_url(terminal.lines.get(timeout=10))
        try:
            result.append(visit(url))
        finally:
            signal.pthread_kill(main_thread, ending)

    onlooker = threading.Thread(target=look_on)
    onlooker.start()
    call_command(simulate_openedx.Command(), "--port=0", *arguments, stdout=terminal)
    onlooker.join()
    return result[0], terminal.getvalue()


def ask(url, token=TOKEN, **query):
    headers = {"Authorization": f"Bearer {token}"}
    path = f"{url}/api/grades/v1/courses/{COURSE_ID}/"
    return requests.get(path, params=query, headers=headers, timeout=10)


def test_the_token_is_the_settings_unless_another_is_given(courses_file):
    def tokens_taken(url):
        return [ask(url, token).status_code for token in (TOKEN, "other")]

    file = f"--file={courses_file}"
    assert serve(tokens_taken, file)[0] == [200, 401]
    assert serve(tokens_taken, file, "--token=other")[0] == [401, 200]
    assert serve(tokens_taken, file, "--token=")[0] == [200, 200]


def test_it_can_fail_a_few_times_in_one_place(courses_file):
    def visit(url):
        return [ask(url, username=name).status_code for name in ("bob", "alice", "bob")]

    statuses, _ = serve(
        visit,
        f"--file={courses_file}",
        "--fault=429:5",
        "--fault-on=username:bob",
        "--fault-count=1",
    )

    assert statuses == [429, 200, 200]


def test_pages_can_be_short_and_late_and_bare(courses_file):
    file = f"--file={courses_file}"

    page, printed = serve(ask, file, "--page-size=2", "--delay=1", "--access-log")
    bare, _ = serve(ask, file, "--bare-list")

    assert len(page.json()["results"]) == 2
    assert f'"GET /api/grades/v1/courses/{COURSE_ID}/ HTTP/1.1" 200 ' in printed
    assert len(bare.json()) == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--fault=nonsense"], "No fault is called 'nonsense'"),
        (["--fault=503", "--fault-on=nowhere"], "no place for a fault"),
        (["--fault-count=2"], "need a --fault"),
        (["--page-size=0"], "--page-size must be from 1"),
        (["--port=70000"], "--port must be from 0"),
        (["--delay=-1"], "--delay must be from 0"),
        (["--file=absent.json"], "absent.json: No such file"),
    ],
)
def test_an_option_that_means_nothing_is_refused(courses_file, arguments, reason):
    with pytest.raises(CommandError, match=reason):
        call_command(simulate_openedx.Command(), f"--file={courses_file}", *arguments)


def test_without_any_file_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(simulate_openedx, "DEFAULT_FILE", tmp_path / "absent.json")

    with pytest.raises(CommandError, match="--file FILE"):
        call_command(simulate_openedx.Command())


def test_a_port_that_is_taken_is_named(courses_file):
    with SimulatedOpenEdx() as other:
        port = other.url.rpartition(":")[2]

        with pytest.raises(CommandError, match=f"{other.url} is taken by another process"):
            call_command(simulate_openedx.Command(), f"--file={courses_file}", f"--port={port}")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_as_a_process_it_ends_with_status_0_also_while_a_caller_hangs(courses_file, ending):
    command = [sys.executable, "-m", "tools.simulator", f"--file={courses_file}"]
    with subprocess.Popen(
        [*command, "--port=0", "--fault=hang"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = find_url(process.stdout.readline())
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.get(f"{url}/api/grades/v1/courses/c/", timeout=0.1)

        process.send_signal(ending)

        assert process.wait(timeout=30) == 0


@pytest.fixture
def webhook():
    # The stand-in serves here as a webhook: this fault answers any request with one JSON text.
    with SimulatedOpenEdx() as webhook:
        webhook.set_fault('json:{"certificate_status": "created"}')
        yield webhook


def fire(webhook, *arguments):
    stdout = io.StringIO()
    call_command(
        simulate_openedx.Command(),
        f"--webhook-url={webhook.url}/hook/",
        *arguments,
        stdout=stdout,
    )
    return stdout.getvalue()


def test_the_plugin_is_played_for_an_e_mail_as_it_is(webhook, monkeypatch, tmp_path):
    monkeypatch.setattr(simulate_openedx, "DEFAULT_FILE", tmp_path / "absent.json")

    printed = fire(webhook, "--fire", "dan@example.com", COURSE_ID, "--webhook-token=plugin-token")

    assert printed == 'Attempt 1: 200 {"certificate_status": "created"}\n'
    (request,) = webhook.requests
    assert (request.method, request.path) == ("POST", "/hook/")
    assert request.authorization == "Bearer plugin-token"


@pytest.mark.parametrize(
    ("learner", "reason"), [("nobody", "no e-mail, and no username"), ("bob", "gives no e-mail")]
)
def test_a_learner_without_an_e_mail_is_refused(webhook, courses_file, learner, reason):
    with pytest.raises(CommandError, match=reason):
        fire(
            webhook, "--fire", learner, COURSE_ID, f"--file={courses_file}", "--webhook-token=token"
        )

    assert webhook.requests == []


def test_the_plugins_token_comes_from_the_environment_or_is_asked_for(webhook, monkeypatch):
    monkeypatch.setenv("OPENEDX_WEBHOOK_TOKEN", "from-the-environment")
    fire(webhook, "--fire", "dan@example.com", COURSE_ID)
    assert webhook.requests[0].authorization == "Bearer from-the-environment"

    monkeypatch.delenv("OPENEDX_WEBHOOK_TOKEN")
    with pytest.raises(CommandError, match="--webhook-token, or OPENEDX_WEBHOOK_TOKEN"):
        fire(webhook, "--fire", "dan@example.com", COURSE_ID)


def test_the_output_shows_every_try_and_why_it_failed(webhook, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    webhook.set_fault(Fault("429", count=1), Fault("close", count=1), Fault("empty-object"))

    printed = fire(webhook, "--fire", "dan@example.com", COURSE_ID, "--webhook-token=token")

    first, second, third = printed.splitlines()
    assert first == 'Attempt 1: 429 {"detail": "Request was throttled."}'
    assert second.startswith("Attempt 2: ('Connection aborted.'")
    assert third == "Attempt 3: 200 {}"
