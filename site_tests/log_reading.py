"""Reads what was logged, and finds in it what must never be there; for tests."""

import io
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from main import logs
from main.log_handler import LogHandler
from users.models import User

# Numbers of which some digits could by chance be those of a grade.
_OF_CHANCE = ("timestamp", "duration_ms", "seconds")


@dataclass(frozen=True)
class Log:
    """What was written to the log, as in production."""

    stream: io.StringIO
    handler: logging.Handler

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The fields of each line, which must be a JSON object."""
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of one kind."""
        return [line for line in self.lines if line["event"] == event]


def make_log(*, as_json: bool) -> Log:
    """Return a log that is written to by its handler."""
    stream = io.StringIO()
    handler = LogHandler(stream)
    options = logs.formatter(as_json=as_json)
    handler.setFormatter(options.pop("()")(**options))
    return Log(stream, handler)


def read_json_lines(words: str) -> list[dict[str, Any]]:
    """Return the log's lines among what a process has said; programs have a few words of their own."""
    return [json.loads(line) for line in words.splitlines() if line.startswith("{")]


def secrets_of_everybody() -> Iterator[str]:
    """Yield what identifies a person, of each user there is."""
    for user in User.objects.prefetch_related("openedx_users"):
        yield from (user.email, user.username, user.name)
        yield from (str(account.edx_username) for account in user.openedx_users.all())


def find_leaks(words: str, secrets: Iterable[str]) -> list[str]:
    """Return the lines that hold one of the secrets, in any case and however it is encoded."""
    forms = {
        form.lower()
        for secret in secrets
        for form in (
            secret,
            quote(secret),
            quote(secret, safe=""),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
            repr(secret)[1:-1],
        )
    }
    return [
        line
        for line in map(_without_chance, words.splitlines())
        if any(form in line.lower() for form in forms)
    ]


def _without_chance(line: str) -> str:
    if not line.startswith("{"):
        return line
    fields = json.loads(line)
    return json.dumps({name: fields[name] for name in fields if name not in _OF_CHANCE})
