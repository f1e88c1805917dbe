"""The story: what Open edX's plugin, an administrator or a stranger sends, and what we answer."""

import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass

import requests

from tools.demo.credentials import Credentials
from tools.demo.description import Run
from tools.demo.terminal import say

# Longer than the site's own patience with Open edX.
REPLY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Event:
    """One request to the webhook."""

    url: str
    token: str | None
    fields: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        """The headers the plugin sends, and no more."""
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**authorization, "Content-Type": "application/json"}

    @property
    def body(self) -> str:
        """The event as JSON."""
        return json.dumps(self.fields)

    def as_curl(self) -> str:
        """Return the command that sends the same, for a shell."""
        parts = [f"curl -i {shlex.quote(self.url)}"]
        parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers.items()]
        parts.append(f"-d {shlex.quote(self.body)}")
        return " \\\n  ".join(parts)

    def send(self) -> requests.Response:
        """Send it as it is printed."""
        with requests.Session() as session:
            # A proxy or a .netrc of the caller's would make it another request.
            session.trust_env = False
            return session.post(
                self.url, data=self.body.encode(), headers=self.headers, timeout=REPLY_SECONDS
            )


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the story, and the reply that is expected."""

    title: str
    event: Event
    status: int
    #: What the reply's JSON is, or the one key it has.
    reply: dict[str, str] | str

    def is_answered_by(self, response: requests.Response) -> bool:
        """Whether this is the expected reply."""
        try:
            content = response.json()
        except ValueError:
            return False
        if isinstance(self.reply, str):
            is_expected = isinstance(content, dict) and list(content) == [self.reply]
        else:
            is_expected = content == self.reply
        return is_expected and response.status_code == self.status


def get_steps(url: str, run: Run, credentials: Credentials) -> Iterator[Step]:
    """Yield the story's requests in order. The run is self-paced, and nothing is issued in it yet.

    Args:
        url: the webhook's address.
        run: with the learners of the story.
        credentials: of a caller that may, and of one that may not.
    """
    token = credentials.webhook_token
    passed = run.find(passed=True, verified=True)
    failed = run.find(passed=False, verified=True)
    audit = run.find(passed=True, verified=False)

    def event(email: str, token: str | None = token) -> Event:
        return Event(url, token, {"email": email, "course_id": run.course_id})

    yield Step(
        f"{passed.name} has passed, and paid: Open edX's plugin tells us.",
        event(passed.email),
        200,
        {"certificate_status": "created"},
    )
    yield Step(
        "The same event comes again.", event(passed.email), 200, {"certificate_status": "exists"}
    )
    yield Step("Without a token nobody is heard.", event(passed.email, None), 401, "detail")
    yield Step("A field is missing.", Event(url, token, {"email": passed.email}), 400, "error")
    yield Step(
        f"{passed.name}'s own token is not an administrator's.",
        event(passed.email, credentials.learner_token),
        403,
        "detail",
    )
    yield Step("Nobody here has this address.", event("nobody@example.com"), 404, "error")
    yield Step(
        f"{failed.name} paid, and has not passed: the event is asked after, not believed.",
        event(failed.email),
        200,
        {"certificate_status": "not_eligible", "reason": "grade_not_passed"},
    )
    yield Step(
        f"{audit.name} has passed as an audit learner.",
        event(audit.email),
        200,
        {"certificate_status": "not_eligible", "reason": "no_paid_enrollment"},
    )


def tell(steps: Iterator[Step]) -> int:
    """Send each request, print it with its reply, and return how many replies were unexpected."""
    return sum(tell_one(number, step) for number, step in enumerate(steps, start=1))


def tell_one(number: int, step: Step) -> int:
    """Send one request, print it with its reply, and return 1 if the reply was unexpected."""
    say()
    say(f"{number}. {step.title}", "heading")
    say(step.event.as_curl())
    return 0 if _send(step) else 1


def _send(step: Step) -> bool:
    started = time.monotonic()
    try:
        response = step.event.send()
    except requests.RequestException as error:
        say(f"No reply: {error}", "bad")
        return False
    milliseconds = (time.monotonic() - started) * 1000
    is_expected = step.is_answered_by(response)
    style = "good" if is_expected else "bad"
    say(f"HTTP {response.status_code}  {response.text.strip()}  ({milliseconds:.0f} ms)", style)
    if not is_expected:
        say(f"Unexpected: HTTP {step.status} with {json.dumps(step.reply)} was to come.", "bad")
    return is_expected
