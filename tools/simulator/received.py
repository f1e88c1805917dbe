"""The record of the requests that reached the stand-in."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import parse_qsl, unquote

COURSES_PATH: Final = "/api/grades/v1/courses/"


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came. Names of headers are in lower case; ``target`` is still encoded."""

    method: str
    target: str
    path: str
    course_id: str | None
    query: Mapping[str, str]
    headers: Mapping[str, str]
    received_at: datetime

    @classmethod
    def from_wire(cls, method: str, target: str, headers: Mapping[str, str]) -> Self:
        """Take a request line apart. Of a parameter given twice the last counts, as in Django."""
        path, _, query = target.partition("?")
        return cls(
            method=method,
            target=target,
            path=path,
            course_id=find_course_id(path),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in headers.items()},
            received_at=datetime.now(UTC),
        )

    @property
    def username(self) -> str | None:
        """The learner asked for; None, as in Open edX, if the parameter is blank or absent."""
        return self.query.get("username") or None

    @property
    def authorization(self) -> str | None:
        """The Authorization header as it came, or None."""
        return self.headers.get("authorization")


def find_course_id(path: str) -> str | None:
    """Return the decoded course id of a path of the grades API, or None for any other path."""
    if not path.startswith(COURSES_PATH):
        return None
    return unquote(path.removeprefix(COURSES_PATH).removesuffix("/")) or None


class RequestLog:
    """Keeps the latest requests and counts them all."""

    def __init__(self, keep: int) -> None:
        self._requests: deque[ReceivedRequest] = deque(maxlen=keep)
        self._count = 0
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """How many requests came since the start or the last ``clear``."""
        return self._count

    def add(self, request: ReceivedRequest) -> None:
        """Note a request; a test that waits for it goes on."""
        with self._changed:
            self._requests.append(request)
            self._count += 1
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget every request and count from zero."""
        with self._changed:
            self._requests.clear()
            self._count = 0

    def as_list(self) -> list[ReceivedRequest]:
        """Return the requests that are kept, oldest first."""
        with self._changed:
            return list(self._requests)

    def wait_for(self, count: int, timeout_seconds: float) -> None:
        """Return once ``count`` requests have come; raise TimeoutError when they do not."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, timeout_seconds):
                raise TimeoutError(
                    f"{self._count} of {count} requests came within {timeout_seconds} s."
                )
