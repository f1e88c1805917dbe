"""Measures the webhook: two sites side by side, one with few users and one with a million."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tqdm import tqdm

from tools.benchmarks.cast import COURSE_ID, MIXED, WARM_UP_COURSE_ID, learner, write_courses
from tools.benchmarks.digest import digest_rows
from tools.benchmarks.replies import Burst, send_events
from tools.benchmarks.results import Check, Rounds, Situation, WebhookResults
from tools.benchmarks.stage import OpenEdx, Stage, Web

FEW: Final = 1_000
DELAYS: Final = (0, 500, 2_000)
CONNECTIONS: Final = (1, 16)
COURSES: Final = "courses.json"
LEFT_MAX: Final = 0.25
# Places among a thousand: of learners without a certificate yet, and of learners with one.
WITHOUT, WITH = 0, 500
DRAIN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.05
_OPEN = "SELECT count(*) FROM openedx_certificates_certificaterequest WHERE status = 'open'"
_FORGET = """
WITH learners AS (SELECT id FROM users_user WHERE username = ANY(%(usernames)s)),
    runs AS (SELECT id FROM courses_courserun WHERE courseware_id = %(course_id)s),
    requests AS (
        DELETE FROM openedx_certificates_certificaterequest WHERE user_id IN (SELECT id FROM learners)
    ),
    certificates AS (
        DELETE FROM courses_courseruncertificate
        WHERE user_id IN (SELECT id FROM learners) AND course_run_id IN (SELECT id FROM runs)
    )
DELETE FROM courses_courserungrade
WHERE user_id IN (SELECT id FROM learners) AND course_run_id IN (SELECT id FROM runs)
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A site under load."""

    users: int
    database: str
    token: str
    web: Web

    @property
    def step(self) -> int:
        """From one of the thousand learners that take part to the next: they are all over."""
        return self.users // FEW

    def usernames(self, count: int) -> list[str]:
        """Return the first of the learners without a certificate yet."""
        return [learner((WITHOUT + place) * self.step) for place in range(count)]

    def send(self, situation: Situation) -> Burst:
        """Send the events of a round; raise RuntimeError if a reply is not what it must be."""
        first = (WITH if situation.exists else WITHOUT) * self.step
        options = (("step", self.step), ("connections", situation.connections))
        burst = send_events(self.web.webhook_url, self.token, first, situation.events, *options)
        # Of a crowd that comes to one process the last few are left to a worker.
        is_crowd = situation.asks_openedx and situation.connections > CONNECTIONS[-1]
        left = burst.words[202, "deferred"] if is_crowd else 0
        if (
            burst.words[situation.reply] + left < situation.events
            or left > LEFT_MAX * situation.events
        ):
            raise RuntimeError(f"Not all replies were {situation.reply}: {burst.words}")
        return burst


class Webhooks:
    """Measures the default and the background mode, and keeps the results."""

    def __init__(self, stage: Stage, repeats: int, many: int) -> None:
        self.results = WebhookResults()
        self._stage = stage
        self._repeats = repeats
        self._databases = {users: f"webhook_{users}" for users in (FEW, many)}
        self._tokens: dict[int, str] = {}
        #: By users and by how many learners: the rows that the yardstick left of these.
        self._expected: dict[tuple[int, int], str] = {}

    def measure(self) -> None:
        """Prepare both databases, and measure."""
        courses = self._stage.folder / COURSES
        taking_part = {place * users // FEW for users in self._databases for place in range(FEW)}
        runs = {WARM_UP_COURSE_ID: range(len(MIXED)), COURSE_ID: sorted(taking_part)}
        write_courses(courses, runs)
        openedx = self._stage.start_openedx(courses)
        for users in tqdm(self._databases, desc="Users"):
            self._prepare(users, openedx)
        for is_background in (False, True):
            with self._sites(openedx, is_background=is_background) as sites:
                self._warm_up(sites, openedx, is_background=is_background)
                mode = "background" if is_background else "default"
                for number in tqdm(range(self._repeats), desc=f"Webhook, {mode} mode"):
                    # Neither is always the second.
                    in_turn = sites if number % 2 else sites[::-1]
                    self._play(in_turn, openedx, is_background=is_background)
        self._stage.end(openedx.child)

    def few(self) -> tuple[str, str]:
        """Return the database of few users and its token; when it has been measured, it is free."""
        return self._databases[FEW], self._tokens[FEW]

    def _prepare(self, users: int, openedx: OpenEdx) -> None:
        """Make the rows, and let the yardstick issue the certificates of all that take part."""
        database = self._databases[users]
        self._stage.create_database(database)
        token = self._stage.run(f"rows.prepare({users})", database, openedx.url)
        self._tokens[users] = token
        self._stage.run("measure.per_learner()", database, openedx.url)
        self._stage.ask(database, "VACUUM ANALYZE")
        site = Site(users, database, token, Web("", openedx.child))
        for situation in _situations(is_background=False):
            count = situation.events
            self._expected[users, count] = digest_rows(self._stage, database, site.usernames(count))

    @contextmanager
    def _sites(self, openedx: OpenEdx, *, is_background: bool) -> Iterator[list[Site]]:
        settings = {"CERTIFICATE_WEBHOOK_ASYNC": str(is_background)}
        sites, workers = [], []
        for users, database in self._databases.items():
            web = self._stage.start_web(database, openedx.url, **settings)
            sites.append(Site(users, database, self._tokens[users], web))
            workers.append(self._stage.start_watch(database, openedx.url, **settings))
        try:
            yield sites
        finally:
            for child in (*workers, *(site.web.child for site in sites)):
                self._stage.end(child)

    def _warm_up(self, sites: list[Site], openedx: OpenEdx, *, is_background: bool) -> None:
        for site in sites:
            for exists in (False, True):
                forget(self._stage, site)
                situation = Situation(is_background, 0, CONNECTIONS[-1], exists)
                site.send(situation)
                self._drain(site, openedx)

    def _play(self, sites: list[Site], openedx: OpenEdx, *, is_background: bool) -> None:
        """Play each situation, the sites by turns: a noisy moment of the machine hits both."""
        for situation in _situations(is_background=is_background):
            for _ in range(situation.rounds):
                for site in sites:
                    self._play_round(site, openedx, situation)

    def _play_round(self, site: Site, openedx: OpenEdx, situation: Situation) -> None:
        if not situation.exists:
            forget(self._stage, site)
        openedx.set_delay(situation.delay)
        burst = site.send(situation)
        of_situation = self.results.rounds.setdefault(situation, {})
        of_situation.setdefault(site.users, Rounds()).add(burst.replies, burst.seconds)
        if not situation.exists:
            self._drain(site, openedx)
            self._compare(site, situation)

    def _drain(self, site: Site, openedx: OpenEdx) -> None:
        """Let the worker finish, with a fast Open edX; raise TimeoutError if it can't."""
        openedx.set_delay(0)
        ends = time.monotonic() + DRAIN_SECONDS
        while self._stage.ask(site.database, _OPEN):
            if time.monotonic() > ends:
                raise TimeoutError(f"Requests are still open after {DRAIN_SECONDS:.0f} s.")
            time.sleep(LOOK_SECONDS)

    def _compare(self, site: Site, situation: Situation) -> None:
        rows = digest_rows(self._stage, site.database, site.usernames(situation.events))
        expected = self._expected[site.users, situation.events]
        self.results.checks.append(
            Check(f"webhook, {site.users:,} users: {situation}", rows == expected)
        )


def forget(stage: Stage, site: Site) -> None:
    """Make the learners fresh again that had no certificate before."""
    usernames = site.usernames(WITH - WITHOUT)
    stage.ask(site.database, _FORGET, {"usernames": usernames, "course_id": COURSE_ID})


def _situations(*, is_background: bool) -> list[Situation]:
    return [
        Situation(is_background, delay, connections, exists)
        for delay in DELAYS
        for connections in CONNECTIONS
        for exists in (False, True)
    ]
