"""The grades API of Open edX, one method for each question.

Nothing leaves this module in the words of `requests`: every failure is one of `openedx_certificates.wire.exceptions`,
an OpenEdxError unless it is for want of something of ours.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Final, TypeVar
from urllib.parse import quote

import requests
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
from openedx_certificates.wire.deadline import Deadline, DeadlineAdapter, RetryWithinDeadline
from openedx_certificates.wire.exceptions import OpenEdxError, OpenEdxNonsense, OpenEdxTimeout
from openedx_certificates.wire.grades import EdxGrade, RefusedGrade, parse_grade
from openedx_certificates.wire.paging import PageWalk

RETRIES: Final = 2
RETRIED_STATUSES: Final = (502, 503, 504)
PAGE_RETRIES: Final = 3
# Seconds; a sweep told to wait longer leaves the run to the next sweep.
PAGE_RETRY_AFTER_MAX: Final = 300.0
# Bytes. An old release answers a whole course in one list, about 150 bytes a learner.
ANSWER_MAX: Final = 32 * 1024 * 1024
ONE_ANSWER_MAX: Final = 1024 * 1024
_CHUNK: Final = 16 * 1024
# A RequestException is an OSError; a bundle of certificates that is missing is a bare one. The
# others come out of requests and urllib3 as they are, for answers that break HTTP's own rules.
TRANSPORT_ERRORS: Final = (OSError, ValueError, RuntimeError, HTTPException, HTTPError)

Read = TypeVar("Read")
GradeRecords = list[EdxGrade | RefusedGrade]
Wait = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class OpenEdxClientSettings:
    """Where Open edX is and how patiently it is asked. Times are in seconds."""

    base_url: str
    token: str = field(repr=False)
    timeout: float
    connect_timeout: float
    read_timeout: float
    page_size: int
    page_retry_delay: float


class _BearerToken(AuthBase):
    """Sets the token as `auth`, since a plain header gives way to an entry in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _SessionWithoutRedirects(requests.Session):
    """Follows no redirect, and does not look at where it leads.

    `allow_redirects=False` still reads the whole body of a redirect, without any limit, to prepare
    the next request.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - as requests calls it
        return None


class OpenEdxClient:
    """Asks one Open edX. Connections are kept and shared; threads may use one client together."""

    def __init__(self, settings: OpenEdxClientSettings, *, sleep: Wait | None = None) -> None:
        self._settings = settings
        self._sleep = sleep or _sleep
        self._base = settings.base_url.rstrip("/")
        # A host can have two addresses, each tried for this long; half the time at most is spent
        # on finding out that nobody is there, and the other half is left for a second try.
        self._connect_timeout = min(settings.connect_timeout, settings.timeout / 4)
        self._read_timeout = min(settings.read_timeout, settings.timeout)
        self._session = self._open_session()

    def fetch_grade(self, course_id: str, username: str, *, patient: bool = False) -> EdxGrade:
        """Return the learner's grade in the course.

        The question is over within the time-out, its retries included; a `patient` caller's is
        asked again like a page that fails.

        Raises OpenEdxError: UnusableGrade where Open edX answered without a grade of exactly this
        learner in exactly this course, and the others as `openedx_certificates.wire.exceptions` describes them.
        CannotAsk if we lack what it takes.
        """

        def ask(deadline: Deadline) -> EdxGrade:
            answer = self._get(
                self._grades_url(course_id),
                {"username": username},
                deadline,
                at_most=ONE_ANSWER_MAX,
            )
            return read_only_grade(answer, course_id, username)

        return self._ask_patiently("grade", ask) if patient else self._ask_in_time("grade", ask)

    def iter_grade_pages(
        self, course_id: str, *, patient: bool = True, wait: Wait | None = None
    ) -> Iterator[GradeRecords]:
        """Yield the grades of the course's learners page by page, each as soon as it is there.

        For a `patient` caller a page that fails, and may come when asked for again, is asked for up
        to three times more, after the seconds of Retry-After or a wait that doubles; where it took
        too long, it is asked for at half the size. For another caller each page is over within the
        time-out, its retries included. An old release, which answers all learners at once, is
        handed on in parts as large as a page. Raises OpenEdxError where a page stays bad, CannotAsk
        if we lack what it takes to ask; the pages before it have been yielded.

        Args:
            course_id: the course.
            patient: whether nobody waits for the answer.
            wait: waits so many seconds before a page is asked for again; what it returns is true
                where the caller has given up, and the page's last error is raised then.
        """
        size = self._settings.page_size
        walk = PageWalk(self._grades_url(course_id), size, course_id)

        def ask(deadline: Deadline) -> tuple[list[object], object]:
            return read_page(self._get(walk.address, None, deadline, at_most=ANSWER_MAX))

        while True:
            if patient:
                records, following = self._ask_patiently("page", ask, wait, walk.note_failure)
            else:
                records, following = self._ask_in_time("page", ask)
            # A page without a learner is one, too.
            for start in range(0, len(records) or 1, size):
                part = records[start : start + size]
                grades = [parse_grade(record, course_id=course_id) for record in part]
                walk.note_learners(grade.username for grade in grades)
                yield grades
            if following in (None, ""):
                return
            walk.go_on(following)

    def _open_session(self) -> requests.Session:
        session = _SessionWithoutRedirects()
        session.auth = _BearerToken(self._settings.token)
        session.headers["Accept"] = "application/json"
        # A cookie of Open edX's would make one question depend on another.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = DeadlineAdapter(
            pool_connections=1,
            pool_maxsize=256,
            max_retries=RetryWithinDeadline(
                total=RETRIES,
                redirect=False,
                status_forcelist=RETRIED_STATUSES,
                allowed_methods=["GET"],
                backoff_factor=0.1,
                raise_on_status=False,
                # It could ask for an hour, and our caller waits for seconds.
                respect_retry_after_header=False,
            ),
        )
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session

    def _grades_url(self, course_id: str) -> str:
        return f"{self._base}/api/grades/v1/courses/{quote(course_id, safe='')}/"

    def _ask_in_time(self, question: Question, ask: Callable[[Deadline], Read]) -> Read:
        return self._ask(question, ask, retry_margin=2 * self._connect_timeout)

    def _ask_patiently(
        self,
        question: Question,
        ask: Callable[[Deadline], Read],
        wait: Wait | None = None,
        note_failure: Callable[[OpenEdxError], None] = lambda _: None,
    ) -> Read:
        """Return what is answered, asking up to three times more where that fails."""
        wait = wait or self._sleep
        for retry in range(PAGE_RETRIES + 1):
            try:
                # The tries are counted here, so each is a single one.
                return self._ask(question, ask, retry_margin=None)
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
        self, question: Question, ask: Callable[[Deadline], Read], *, retry_margin: float | None
    ) -> Read:
        with counted_question(question):
            return ask(Deadline(self._settings.timeout, retry_margin=retry_margin))

    def _get(
        self, url: str, parameters: dict[str, str] | None, deadline: Deadline, *, at_most: int
    ) -> object:
        with deadline:
            try:
                with self._session.get(
                    url,
                    params=parameters,
                    timeout=(self._connect_timeout, self._read_timeout),
                    stream=True,
                    # A redirect could lead the token to another origin.
                    allow_redirects=False,
                ) as response:
                    body = _read(response, at_most=at_most)
            except TRANSPORT_ERRORS as error:
                raise explain(error, is_time_up=deadline.passed) from error
            if deadline.passed:
                # We may have hung up ourselves in the middle of a body without a length.
                raise OpenEdxTimeout("Open edX did not answer in time.")
        raise_for_status(response, body)
        return parse_json(body)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _read(response: requests.Response, *, at_most: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > at_most:
            raise OpenEdxNonsense(f"Open edX's answer is over {at_most} bytes.")
    return bytes(body)
