"""The grades API of Open edX, one method for each question.

Nothing leaves this module in the words of `requests`: every failure is one of `openedx_certificates.wire.exceptions`,
an OpenEdxError unless it is for want of something of ours.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, TypeVar
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from openedx_certificates.instruments import Question, counted_question
from openedx_certificates.wire.answers import (
    parse_json,
    raise_for_status,
    read_only_grade,
    read_page,
)
from openedx_certificates.wire.causes import explain
from openedx_certificates.wire.deadline import Deadline, ask_in_time
from openedx_certificates.wire.exceptions import OpenEdxError, OpenEdxNonsense
from openedx_certificates.wire.grades import EdxGrade, RefusedGrade, parse_grade
from openedx_certificates.wire.paging import PageWalk

# Seconds before each further try; the first one follows at once, as a kept connection may be dead.
RETRY_DELAYS: Final = (0.0, 0.2)
RETRIED_STATUSES: Final = (502, 503, 504)
PAGE_RETRIES: Final = 3
# Seconds; a sweep told to wait longer leaves the run to the next sweep.
PAGE_RETRY_AFTER_MAX: Final = 300.0
# Bytes. An old release answers a whole course in one list, about 150 bytes a learner.
ANSWER_MAX: Final = 32 * 1024 * 1024
ONE_ANSWER_MAX: Final = 1024 * 1024
# Bytes. A question ends between two chunks if its time is up.
_CHUNK: Final = 1024
# Seconds. Half the time at most is spent on finding out that no server is there.
_CONNECT_TIMEOUT_MAX: Final = 2.5
# A RequestException is an OSError; a bundle of certificates that is missing is a bare one. The
# others come out of requests and urllib3 as they are, for answers that break HTTP's own rules.
TRANSPORT_ERRORS: Final = (OSError, ValueError, RuntimeError, HTTPException, HTTPError)

Read = TypeVar("Read")
GradeRecords = list[EdxGrade | RefusedGrade]
Wait = Callable[[float], object]
RetryDelays = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class OpenEdxClientSettings:
    """Open edX's address, and how patiently it is asked. Times are in seconds."""

    base_url: str
    token: str = field(repr=False)
    timeout: float
    page_size: int
    page_retry_delay: float


class _BearerToken(AuthBase):
    """Sets the token as `auth`, since a plain header gives way to an entry in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Session(requests.Session):
    """Follows no redirect, and reads the environment once.

    `allow_redirects=False` still reads the whole body of a redirect, without any limit, to prepare
    the next request.
    """

    _environment: Any = None

    def merge_environment_settings(self, *arguments: Any, **named: Any) -> Any:
        """Return the proxy and the bundle of certificates, which are the same for each question.

        All go to one host. `requests` would read all variables of the environment twice for each.
        """
        if self._environment is None:
            self._environment = super().merge_environment_settings(*arguments, **named)
        return self._environment

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - as requests calls it
        return None


class OpenEdxClient:
    """Asks one Open edX. Connections are kept and shared; threads may use one client together."""

    def __init__(self, settings: OpenEdxClientSettings, *, sleep: Wait | None = None) -> None:
        self._settings = settings
        self._sleep = sleep or _sleep
        self._base = settings.base_url.rstrip("/")
        # A host can have two addresses, each tried for this long.
        self._connect_timeout = min(_CONNECT_TIMEOUT_MAX, settings.timeout / 4)
        self._session = self._open_session()

    def fetch_grade(self, course_id: str, username: str, *, patient: bool = False) -> EdxGrade:
        """Return the learner's grade in the course.

        The question is over within the time-out, its retries included; a `patient` caller's is
        asked again like a page that fails.

        Raises OpenEdxError: UnusableGrade if Open edX answered without a grade of exactly this
        learner in exactly this course, and the others as `openedx_certificates.wire.exceptions` describes them.
        CannotAsk if we lack what it takes.
        """

        url = self._grades_url(course_id)

        def ask(retry_delays: RetryDelays) -> EdxGrade:
            asked_at = time.monotonic()
            answer = self._get(url, {"username": username}, retry_delays, at_most=ONE_ANSWER_MAX)
            return read_only_grade(answer, course_id, username, asked_at=asked_at)

        return self._ask_patiently("grade", ask) if patient else self._ask("grade", ask)

    def iter_grade_pages(
        self, course_id: str, *, patient: bool = True, wait: Wait | None = None
    ) -> Iterator[GradeRecords]:
        """Yield the grades of the course's learners page by page, each as soon as it is there.

        For a `patient` caller a page that fails, and may come when asked for again, is asked for up
        to three times more, after the seconds of Retry-After or a wait that doubles; if it took
        too long, it is asked for at half the size. For another caller each page is over within the
        time-out, its retries included. An old release, which answers all learners at once, is
        handed on in parts as large as a page. Raises OpenEdxError if a page stays bad, CannotAsk
        if we lack what it takes to ask; the pages before it have been yielded.

        Args:
            course_id: the course.
            patient: whether the caller has time.
            wait: waits so many seconds before a page is asked for again; what it returns is true
                if the caller has given up, and the page's last error is raised then.
        """
        size = self._settings.page_size
        walk = PageWalk(self._grades_url(course_id), size, course_id)

        def ask(retry_delays: RetryDelays) -> tuple[float, list[object], object]:
            asked_at = time.monotonic()
            answer = self._get(walk.address, None, retry_delays, at_most=ANSWER_MAX)
            return asked_at, *read_page(answer)

        while True:
            if patient:
                page = self._ask_patiently("page", ask, wait, walk.note_failure)
            else:
                page = self._ask("page", ask)
            asked_at, records, following = page
            # A page without a learner is one, too.
            for start in range(0, len(records) or 1, size):
                part = records[start : start + size]
                grades = [
                    parse_grade(record, course_id=course_id, asked_at=asked_at) for record in part
                ]
                walk.note_learners(grade.username for grade in grades)
                yield grades
            if following in (None, ""):
                return
            walk.go_on(following)

    def _open_session(self) -> requests.Session:
        session = _Session()
        session.auth = _BearerToken(self._settings.token)
        session.headers["Accept"] = "application/json"
        # A cookie of Open edX's would make one question depend on another.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=256)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session

    def _grades_url(self, course_id: str) -> str:
        return f"{self._base}/api/grades/v1/courses/{quote(course_id, safe='')}/"

    def _ask_patiently(
        self,
        question: Question,
        ask: Callable[[RetryDelays], Read],
        wait: Wait | None = None,
        note_failure: Callable[[OpenEdxError], None] = lambda _: None,
    ) -> Read:
        """Return what is answered, asking up to three times more if that fails."""
        wait = wait or self._sleep
        for retry in range(PAGE_RETRIES + 1):
            try:
                # The tries are counted here, so each is a single one.
                return self._ask(question, ask, retry_delays=())
            except OpenEdxError as error:
                seconds = error.retry_after
                if seconds is None:
                    seconds = self._settings.page_retry_delay * 2**retry
                if not error.retryable or retry == PAGE_RETRIES or seconds > PAGE_RETRY_AFTER_MAX:
                    raise
                if wait(seconds):
                    raise
                note_failure(error)
        raise AssertionError("the last try returns or raises")

    def _ask(
        self,
        question: Question,
        ask: Callable[[RetryDelays], Read],
        *,
        retry_delays: RetryDelays = RETRY_DELAYS,
    ) -> Read:
        with counted_question(question):
            return ask(retry_delays)

    def _get(
        self,
        url: str,
        parameters: dict[str, str] | None,
        retry_delays: RetryDelays,
        *,
        at_most: int,
    ) -> object:
        def ask(deadline: Deadline) -> tuple[requests.Response, bytes]:
            for delay in retry_delays:
                try:
                    response, body = self._try(url, parameters, deadline, at_most=at_most)
                except (requests.ConnectionError, requests.Timeout):
                    if not self._has_time_for_a_try(deadline):
                        raise
                else:
                    has_failed = response.status_code in RETRIED_STATUSES
                    if not has_failed or not self._has_time_for_a_try(deadline):
                        return response, body
                time.sleep(delay)
            return self._try(url, parameters, deadline, at_most=at_most)

        try:
            response, body = ask_in_time(ask, seconds=self._settings.timeout)
        except TRANSPORT_ERRORS as error:
            raise explain(error) from error
        raise_for_status(response, body)
        return parse_json(body)

    def _try(
        self, url: str, parameters: dict[str, str] | None, deadline: Deadline, *, at_most: int
    ) -> tuple[requests.Response, bytes]:
        deadline.raise_if_passed()
        with self._session.get(
            url,
            params=parameters,
            timeout=(self._connect_timeout, deadline.seconds_left),
            stream=True,
            # A redirect could lead the token to another origin.
            allow_redirects=False,
        ) as response:
            return response, _read(response, deadline, at_most=at_most)

    def _has_time_for_a_try(self, deadline: Deadline) -> bool:
        return deadline.seconds_left > 2 * self._connect_timeout


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _read(response: requests.Response, deadline: Deadline, *, at_most: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        deadline.raise_if_passed()
        body += chunk
        if len(body) > at_most:
            raise OpenEdxNonsense(f"Open edX's answer is over {at_most} bytes.")
    return bytes(body)
