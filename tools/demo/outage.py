"""Open edX goes off, an event comes in, Open edX comes back: nothing is lost."""

import json
import os
import shlex

import requests

from tools.demo.children import Children
from tools.demo.command import PROCESS, as_shell_command, run_shown
from tools.demo.description import Run
from tools.demo.failure import DemoFailed
from tools.demo.site import Prepared, Site
from tools.demo.story import Event, Step, tell_one
from tools.demo.surroundings import ignores_a_database
from tools.demo.terminal import heading, say

# Connections are closed without an answer, as by a machine that is going down.
OFF = {"fault": "close"}
CONTROL_SECONDS = 5.0


def show_outage(children: Children, site: Site, run: Run, prepared: Prepared, *, first: int) -> int:
    """Show it, and return how much of it was not as expected.

    Args:
        children: what was started.
        site: the addresses of it all.
        run: of the event's learner.
        prepared: with the plugin's token.
        first: the number of the first step.
    """
    heading("Open edX goes off")
    say("An event that was accepted is held in the database until it is settled.")
    learner = run.find(passed=True, verified=True, number=2)
    event = Event(
        site.webhook_url,
        prepared.credentials.webhook_token,
        {"email": learner.email, "course_id": run.course_id},
    )
    _say_step(first, "Open edX goes off.")
    _control(site, "PUT", OFF)
    accepted = Step(
        f"{learner.name} has passed, and paid. Nobody can be asked; the event is accepted.",
        event,
        202,
        {"certificate_status": "deferred"},
    )
    unexpected = tell_one(first + 1, accepted)

    _say_step(first + 2, "Open edX is back. The worker, which `make serve` runs, asks by itself.")
    _control(site, "DELETE")
    say("Here it is done by hand:")
    say(as_shell_command(site, PROCESS, without_database_url=ignores_a_database(os.environ)))
    if (status := run_shown(children, site, PROCESS)) != 0:
        say(f"Unexpected: it ended with status {status}.", "bad")
        unexpected += 1
    issued = Step(
        f"{learner.name}'s certificate is there, though no event came again until now.",
        event,
        200,
        {"certificate_status": "exists"},
    )
    return unexpected + tell_one(first + 3, issued)


def _say_step(number: int, title: str) -> None:
    say()
    say(f"{number}. {title}", "heading")


def _control(site: Site, method: str, content: dict[str, str] | None = None) -> None:
    """Tell the simulated Open edX how to behave, and show how."""
    url = f"{site.openedx_url}/simulator/fault"
    data = f" -d {shlex.quote(json.dumps(content))}" if content else ""
    say(f"curl -X {method} {url}{data}")
    with requests.Session() as session:
        session.trust_env = False
        reply = session.request(method, url, json=content, timeout=CONTROL_SECONDS)
    if not reply.ok:
        raise DemoFailed(f"The simulated Open edX answered {reply.status_code}.")
