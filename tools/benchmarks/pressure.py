"""`make pressure`: what a slow or silent Open edX costs the others, in one Markdown table.

A row for each promise: what was measured, what is allowed, and whether it was kept. Ends with
status 1 if one was not.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from tools.benchmarks.burst import PLUGIN_SECONDS
from tools.benchmarks.cast import COURSE_ID, learner
from tools.benchmarks.replies import Replies, send_events
from tools.benchmarks.site import Bench, running_site
from tools.benchmarks.stage import say

TIMEOUT_SECONDS = 10.0
AT_ONCE = 160
PENDING = 64
LOOK_SECONDS = 0.05
POSTGRES_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
OPEN = "SELECT count(*) FROM openedx_certificates_certificaterequest WHERE status = 'open'"


@dataclass(frozen=True, slots=True)
class Row:
    """One promise."""

    promise: str
    measured: str
    is_kept: bool


class Sender:
    """Sends events and other requests, each thread with its own connection."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._local = threading.local()

    def event(self, number: int, replies: Replies) -> None:
        """Send the event of a learner."""
        self._send(
            replies,
            lambda session: session.post(
                self._bench.webhook_url,
                json={"email": f"{learner(number)}@example.com", "course_id": COURSE_ID},
                headers={"Authorization": f"Bearer {self._bench.token}"},
                timeout=PLUGIN_SECONDS,
            ),
        )

    def refused(self, replies: Replies) -> None:
        """Send an event without a token."""
        self._send(
            replies, lambda session: session.post(self._bench.webhook_url, json={}, timeout=30)
        )

    def login_page(self, replies: Replies) -> None:
        """Ask for the admin's login page."""
        url = f"{self._bench.url}/admin/login/"
        self._send(replies, lambda session: session.get(url, timeout=30))

    def _send(
        self, replies: Replies, send: Callable[[requests.Session], requests.Response]
    ) -> None:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        started = time.perf_counter()
        status = send(self._local.session).status_code
        replies.add(status, time.perf_counter() - started)


@contextmanager
def others_asking(sender: Sender, bench: Bench) -> Iterator[tuple[Replies, Replies, list[int]]]:
    """Send requests that have nothing to do with Open edX for the block, one after the other.

    The block gets their replies (401, login page), filled as they come, and how many connections
    PostgreSQL had each time.
    """
    refused, pages, connections = Replies(), Replies(), [0]
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(LOOK_SECONDS):
            sender.refused(refused)
            sender.login_page(pages)
            connections.append(bench.count(POSTGRES_CONNECTIONS))

    with ThreadPoolExecutor(1) as executor:
        asking = executor.submit(ask)
        try:
            yield refused, pages, connections
        finally:
            is_over.set()
            asking.result()


def send_at_once(bench: Bench, first: int, count: int) -> Replies:
    """Send the events of so many learners at the same moment, from another process."""
    return send_events(bench.webhook_url, bench.token, first, count).replies


def measure_silent(bench: Bench) -> Iterator[Row]:
    """Send as many events at once as may wait, to an Open edX that says nothing."""
    bench.set_fault(fault="hang")
    events = send_at_once(bench, 2 * AT_ONCE, PENDING)
    bench.set_fault()
    yield Row(
        f"default: {PENDING} webhooks at once, Open edX silent: within {TIMEOUT_SECONDS + 1:.0f} s",
        str(events),
        events.slowest <= 1000 * (TIMEOUT_SECONDS + 1) and set(events.statuses) == {202},
    )


def measure_many(bench: Bench, mode: str) -> Iterator[Row]:
    """Send 160 events at once to an Open edX that takes five seconds."""
    sender = Sender(bench)
    bench.set_fault(fault="delay:5000")
    with others_asking(sender, bench) as asked:
        events = send_at_once(bench, 0, AT_ONCE)
    refused, pages, connections = asked
    bench.set_fault()
    yield Row(
        f"{mode}: {AT_ONCE} webhooks at once, Open edX at 5 s: no 5xx",
        f"{events}; at most {max(connections)} connections to PostgreSQL",
        max(events.statuses) < 500,
    )
    for name, replies, status in (("a 401", refused, 401), ("the login page", pages, 200)):
        yield Row(
            f"{mode}: meanwhile {name} within 200 ms",
            str(replies),
            replies.slowest <= 200 and set(replies.statuses) == {status},
        )


def measure_stuck(bench: Bench) -> Iterator[Row]:
    """Let one webhook wait for the whole time-out, and others come meanwhile."""
    sender, stuck, others = Sender(bench), Replies(), Replies()
    number = AT_ONCE
    bench.set_fault(fault="hang", on=f"username:{learner(number)}")
    with ThreadPoolExecutor(1) as executor, others_asking(sender, bench) as asked:
        waiting = executor.submit(sender.event, number, stuck)
        for other in range(number + 1, number + 101):
            sender.event(other, others)
        waiting.result()
    bench.set_fault()
    yield Row(
        f"default: a silent Open edX: the webhook within {TIMEOUT_SECONDS + 1:.0f} s",
        str(stuck),
        stuck.slowest <= 1000 * (TIMEOUT_SECONDS + 1) and set(stuck.statuses) == {202},
    )
    yield Row(
        "default: one webhook stuck: others within 200 ms",
        f"events: {others}; 401: {asked[0]}; login page: {asked[1]}",
        max(replies.slowest for replies in (others, *asked[:2])) <= 200,
    )


def measure_background(bench: Bench) -> Iterator[Row]:
    """Send events to a site in the background mode with a silent Open edX."""
    sender, pending, replies = Sender(bench), Replies(), Replies()
    bench.set_fault(fault="hang")
    first = AT_ONCE
    for number in range(first, first + PENDING):
        sender.event(number, pending)
    for number in range(first + PENDING, first + PENDING + 400):
        sender.event(number, replies)
    still_open = bench.count(OPEN)
    bench.set_fault()
    yield Row(
        f"background: a silent Open edX, {PENDING} requests pending: p99 within 50 ms",
        f"{replies}; {still_open} requests open at the end",
        replies.percentile(99) <= 50 and set(replies.statuses) == {202} and still_open >= PENDING,
    )


def main() -> int:
    """Measure, print the table, and return the exit status."""
    settings = {"EDX_API_CLIENT_TIMEOUT": f"{TIMEOUT_SECONDS:g}"}
    rows: list[Row] = []
    with running_site(1000, **settings) as bench:
        rows += measure_many(bench, "default")
        rows += measure_stuck(bench)
        rows += measure_silent(bench)
    with running_site(1000, **settings, CERTIFICATE_WEBHOOK_ASYNC="True") as bench:
        rows += measure_many(bench, "background")
        rows += measure_background(bench)
    say("| promise | measured | kept |")
    say("| --- | --- | --- |")
    for row in rows:
        say(f"| {row.promise} | {row.measured} | {'yes' if row.is_kept else 'NO'} |")
    return 0 if all(row.is_kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
