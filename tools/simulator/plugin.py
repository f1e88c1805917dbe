"""The other half of Open edX: the plugin that tells MITx Online what has happened.

It plays ``ol_openedx_events_handler``, the Celery task in the LMS: the same request, the same
patience, the same habit of forgetting.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import requests

_TIMEOUT_SECONDS: Final = 30.0
_WAITS_SECONDS: Final = (1.0, 2.0)
_BAD_REQUEST: Final = 400
_SERVER_ERROR: Final = 500
_PASSING_REFUSALS: Final = frozenset({408, 429})


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one try: a status and a body, or else the error that kept them from coming."""

    status: int | None
    error: str | None
    body: str
    seconds: float

    @property
    def is_accepted(self) -> bool:
        """Whether the plugin takes this for a success."""
        return self.status is not None and self.status < _BAD_REQUEST


class Plugin:
    """Posts events to one webhook. ``wait``, called with the seconds between two tries, sleeps."""

    def __init__(
        self,
        webhook_url: str,
        token: str,
        *,
        wait: Callable[[float], object] | None = None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._webhook_url = webhook_url
        self._token = token
        self._wait = wait or time.sleep
        self._timeout_seconds = timeout_seconds

    def fire(self, email: str, course_id: str) -> list[Attempt]:
        """Tell the certificate webhook that a learner passed; return every try, the last one last.

        Every status of 400 or more and every connection error is tried again, twice at most.
        """
        return self._deliver({"email": email, "course_id": course_id}, _is_any_failure)

    def fire_enrollment(
        self, email: str, course_id: str, *, role: str | None = None, mode: str | None = None
    ) -> list[Attempt]:
        """Tell the enrollment webhook of a new role or a new enrollment; return every try.

        Only 408, 429, 5xx and connection errors are tried again, twice at most.
        """
        event = {"email": email, "course_id": course_id}
        if role is not None:
            event["role"] = role
        if mode is not None:
            event["mode"] = mode
        return self._deliver(event, _is_passing_failure)

    def _deliver(
        self, event: Mapping[str, str], should_retry: Callable[[Attempt], bool]
    ) -> list[Attempt]:
        attempts = [self._post(event)]
        for seconds in _WAITS_SECONDS:
            if not should_retry(attempts[-1]):
                break
            self._wait(seconds)
            attempts.append(self._post(event))
        return attempts

    def _post(self, event: Mapping[str, str]) -> Attempt:
        started = time.monotonic()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        with requests.Session() as session:
            # A .netrc or a proxy of the machine this is tried on must not change the request.
            session.trust_env = False
            try:
                response = session.post(
                    self._webhook_url, json=event, headers=headers, timeout=self._timeout_seconds
                )
            except requests.RequestException as error:
                return Attempt(None, str(error), "", time.monotonic() - started)
        return Attempt(response.status_code, None, response.text, time.monotonic() - started)


def _is_any_failure(attempt: Attempt) -> bool:
    return not attempt.is_accepted


def _is_passing_failure(attempt: Attempt) -> bool:
    if attempt.status is None:
        return True
    return attempt.status >= _SERVER_ERROR or attempt.status in _PASSING_REFUSALS
