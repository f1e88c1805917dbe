"""An operator's walk: Open edX is down from noon to one, and what tells of it, and what becomes of it.

`docs/operations.md` describes exactly this.
"""

import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from courses.models import CourseRun
from openedx_certificates.testing.scenes import Clock, travel
from site_tests.fixtures import Log, get_certified
from tools.simulator import SimulatedOpenEdx
from users.models import User

# Metrics and readiness are read in threads of their own: only what is committed is there for them.
pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/openedx_certificates/certificaterequest/today/"
IS_DOWN = "Open edX is down: questions are paused"
IS_UP_AGAIN = "Open edX is up again: the pause is over"


@dataclass(frozen=True, slots=True)
class Site:
    """What an operator looks at, and what the plugin sends to."""

    plugin: Client
    operator: Client
    log: Log
    clock: Clock

    def at(self, hour: int, minute: int = 0) -> None:
        """Let it be so late that day."""
        self.clock.move_to(datetime(2026, 11, 25, hour, minute, tzinfo=UTC))

    def send(self, learner: User, run: CourseRun) -> tuple[int, str]:
        """Send an event as the plugin does, and return what is answered."""
        reply = self.plugin.post(
            "/api/openedx_webhook/certificate/",
            {"email": learner.email, "course_id": run.courseware_id},
            content_type="application/json",
        )
        return reply.status_code, reply.json()["certificate_status"]

    def scrape(self) -> dict[str, float]:
        """Return what Prometheus reads, by name and labels."""
        text = self.operator.get("/metrics").content.decode()
        return {
            " ".join(
                [
                    sample.name.removeprefix("mitxonline_certificate_"),
                    *(f"{name}={value}" for name, value in sorted(sample.labels.items())),
                ]
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def readiness(self) -> tuple[int, str]:
        """Return what the load balancer is answered, and what is said of Open edX."""
        reply = self.operator.get("/healthz/ready")
        return reply.status_code, reply.json()["checks"]["openedx"]

    def page(self) -> str:
        """Return the words of the staff page."""
        content = self.operator.get(PAGE).content.decode()
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split()).replace(" .", ".")

    def told(self, words: str) -> list[dict[str, Any]]:
        """Return the lines of the log with these words."""
        return [line for line in self.log.lines if line["event"] == words]


@pytest.fixture
def site(settings: Settings, admin_user: User, log: Log) -> Iterator[Site]:
    """The site on 25 November 2026, which pauses after three failures."""
    settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = 3
    settings.DEBUG = True
    operator = Client()
    operator.force_login(admin_user)
    token = io.StringIO()
    call_command("create_webhook_token", stdout=token)
    plugin = Client(headers={"authorization": f"Bearer {token.getvalue().strip()}"})
    with travel(datetime(2026, 11, 25, 11, 55, tzinfo=UTC)) as clock:
        yield Site(plugin, operator, log, clock)


def test_an_operator_sees_open_edx_go_down_and_come_back_and_all_is_settled(
    site: Site, run: CourseRun, learners: list[User], openedx: SimulatedOpenEdx
):
    first, *others, last = learners

    # 11:55. All is well.
    assert site.send(first, run) == (200, "created")
    before = site.scrape()
    assert (before["openedx_paused"], before["open_requests"]) == (0, 0)
    assert site.readiness() == (200, "ok")
    assert "Open edX is up." in site.page()

    # 12:00. It goes down, and three events come.
    openedx.set_fault("500")
    site.at(12)
    assert [site.send(learner, run) for learner in others] == [(202, "deferred")] * 3

    # 12:05. Four places tell of it.
    site.at(12, 5)
    during = site.scrape()
    assert (during["openedx_paused"], during["openedx_failures_in_a_row"]) == (1, 3)
    assert (
        during["openedx_paused_since_timestamp_seconds"]
        == datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
    )
    assert (during["open_requests"], during["oldest_open_request_age_seconds"]) == (3, 300)
    failed = "openedx_errors_total error=unreachable question=grade"
    assert during[failed] - before[failed] == 3
    deferred = "events_total outcome=deferred webhook=certificate"
    assert during[deferred] - before[deferred] == 3
    assert site.readiness() == (200, "paused since 2026-11-25T12:00:00Z")
    page = site.page()
    assert "Open edX is down, and questions are paused. Since 12:00, 5 min ago." in page
    assert re.search(r"Oldest open request \S* ?5 min", page)
    (line,) = site.told(IS_DOWN)
    assert (line["level"], line["failures"]) == ("error", 3)

    # 12:10. An event that comes in the pause is held without a question; the worker's probe fails.
    site.at(12, 10)
    asked = openedx.request_count
    assert site.send(last, run) == (202, "deferred")
    assert openedx.request_count == asked
    call_command("process_certificate_requests", stdout=io.StringIO())
    assert site.scrape()["open_requests"] == 4

    # 13:00. It is back; the next pass finds out, and settles all.
    openedx.clear_fault()
    site.at(13)
    call_command("process_certificate_requests", stdout=io.StringIO())
    after = site.scrape()
    assert (after["openedx_paused"], after["openedx_failures_in_a_row"]) == (0, 0)
    assert (after["open_requests"], after["oldest_open_request_age_seconds"]) == (0, 0)
    assert after["requests_settled_last_day outcome=created"] == 5
    assert site.readiness() == (200, "ok")
    page = site.page()
    assert "Open edX is up. Its last failures ended at 13:00" in page
    assert re.search(r"Open requests 0\b", page)
    (line,) = site.told(IS_UP_AGAIN)
    assert line["level"] == "info"
    assert get_certified(run) == learners
