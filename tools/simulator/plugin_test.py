import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.simulator import Plugin

COURSE_ID = "course-v1:MITx+6.00x+2026"


@dataclass
class Webhook:
    """A webhook that answers with the statuses it was given, the last one for ever."""

    url: str = ""
    statuses: list = field(default_factory=lambda: [200])
    received: list = field(default_factory=list)


@pytest.fixture
def webhook():
    webhook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            webhook.received.append((self.path, dict(self.headers), json.loads(body)))
            status = webhook.statuses[min(len(webhook.received), len(webhook.statuses)) - 1]
            if status is None:
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"reply %d" % len(webhook.received))

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    webhook.url = f"http://127.0.0.1:{server.server_port}/api/openedx_webhook/certificate/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield webhook
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def plugin(webhook, waits):
    return Plugin(webhook.url, "plugin-token", wait=waits.append)


def test_a_passing_grade_is_posted_as_the_plugin_posts_it(plugin, webhook):
    (attempt,) = plugin.fire("alice@example.com", COURSE_ID)

    ((path, headers, body),) = webhook.received
    assert path == "/api/openedx_webhook/certificate/"
    assert body == {"email": "alice@example.com", "course_id": COURSE_ID}
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer plugin-token"
    assert (attempt.status, attempt.error, attempt.body) == (200, None, "reply 1")
    assert attempt.is_accepted
    assert attempt.seconds >= 0


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 503])
def test_every_failure_of_the_certificate_webhook_is_tried_twice_more(
    plugin, webhook, waits, status
):
    webhook.statuses = [status]

    attempts = plugin.fire("alice@example.com", COURSE_ID)

    assert [attempt.status for attempt in attempts] == [status] * 3
    assert len(webhook.received) == 3
    assert waits == [1.0, 2.0]
    assert not attempts[-1].is_accepted


def test_a_try_that_succeeds_is_the_last(plugin, webhook, waits):
    webhook.statuses = [503, 202]

    attempts = plugin.fire("alice@example.com", COURSE_ID)

    assert [attempt.status for attempt in attempts] == [503, 202]
    assert waits == [1.0]


def test_a_connection_that_breaks_is_a_failure_like_any_other(plugin, webhook):
    webhook.statuses = [None, 200]

    first, second = plugin.fire("alice@example.com", COURSE_ID)

    assert (first.status, first.body) == (None, "")
    assert first.error
    assert second.status == 200


def test_silence_is_a_failure_too(waits):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        plugin = Plugin(url, "plugin-token", wait=waits.append, timeout_seconds=0.05)

        attempts = plugin.fire_enrollment("alice@example.com", COURSE_ID, mode="audit")

    assert [attempt.status for attempt in attempts] == [None] * 3
    assert "timed out" in str(attempts[0].error)


@pytest.mark.parametrize(
    ("details", "event"),
    [
        ({"role": "staff"}, {"role": "staff"}),
        ({"mode": "verified"}, {"mode": "verified"}),
        ({}, {}),
    ],
)
def test_an_enrollment_is_posted_with_its_role_or_mode(plugin, webhook, details, event):
    (attempt,) = plugin.fire_enrollment("alice@example.com", COURSE_ID, **details)

    assert attempt.is_accepted
    assert webhook.received[0][2] == {"email": "alice@example.com", "course_id": COURSE_ID, **event}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_an_enrollment_is_tried_again_when_the_failure_may_pass(plugin, webhook, waits, status):
    webhook.statuses = [status]

    attempts = plugin.fire_enrollment("alice@example.com", COURSE_ID, mode="audit")

    assert [attempt.status for attempt in attempts] == [status] * 3
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_an_enrollment_that_is_refused_is_dropped(plugin, webhook, waits, status):
    webhook.statuses = [status]

    attempts = plugin.fire_enrollment("alice@example.com", COURSE_ID, role="staff")

    assert [attempt.status for attempt in attempts] == [status]
    assert waits == []
