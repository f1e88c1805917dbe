"""The grades API of Open edX, one method for each question.

Nothing leaves this module in the words of `requests`: every failure is one of `openedx.exceptions`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Final, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError

from openedx.answers import parse_json, raise_for_status, read_only_grade, read_page
from openedx.deadline import Deadline, DeadlineAdapter, RetryWithinDeadline
from openedx.exceptions import (
    OpenEdxError,
    OpenEdxNonsense,
    OpenEdxTimeout,
    OpenEdxUnreachable,
)
from openedx.grades import EdxGrade, RefusedGrade, parse_grade

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

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


class OpenEdxClient:
    """Asks one Open edX. Connections are kept and shared; threads may use one client together."""

    def __init__(
        self, settings: OpenEdxClientSettings, *, sleep: Callable[[float], None] | None = None
    ) -> None:
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
        learner in exactly this course, and the others as `openedx.exceptions` describes them.
        """
        return self._ask(
            self._grades_url(course_id),
            {"username": username},
            lambda answer: read_only_grade(answer, course_id, username),
            patient=patient,
        )

    def iter_grade_pages(self, course_id: str, *, patient: bool = True) -> Iterator[GradeRecords]:
        """Yield the grades of the course's learners page by page, each as soon as it is there.

        For a `patient` caller a page that fails, and may come when asked for again, is asked for up
        to three times more, after the seconds of Retry-After or a wait that doubles; for another
        each page is over within the time-out, its retries included. Raises OpenEdxError where a
        page stays bad; the pages before it have been yielded.
        """
        url = self._grades_url(course_id)
        parameters: dict[str, str] | None = {"page_size": str(self._settings.page_size)}
        seen = set()
        while True:
            records, following = self._ask(url, parameters, read_page, patient=patient)
            yield [parse_grade(record, course_id=course_id) for record in records]
            if following in (None, ""):
                return
            url, parameters = self._next_page(url, following), None
            if url in seen:
                raise OpenEdxNonsense("Open edX's pages lead in a circle.")
            seen.add(url)

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

    def _ask(
        self,
        url: str,
        parameters: dict[str, str] | None,
        read: Callable[[object], Read],
        *,
        patient: bool,
    ) -> Read:
        if patient:
            return self._ask_again(url, parameters, read)
        margin = 2 * self._connect_timeout
        deadline = Deadline(self._settings.timeout, retry_margin=margin)
        return read(self._get(url, parameters, deadline))

    def _ask_again(
        self, url: str, parameters: dict[str, str] | None, read: Callable[[object], Read]
    ) -> Read:
        """Return what `read` makes of the answer, asking up to three times more where it fails."""
        for retry in range(PAGE_RETRIES + 1):
            try:
                # The tries are counted here, so each is a single one.
                deadline = Deadline(self._settings.timeout, retry_margin=None)
                return read(self._get(url, parameters, deadline))
            except OpenEdxError as error:
                wait = error.retry_after
                if wait is None:
                    wait = self._settings.page_retry_delay * 2**retry
                if not error.retryable or retry == PAGE_RETRIES or wait > PAGE_RETRY_AFTER_MAX:
                    raise
            self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _get(self, url: str, parameters: dict[str, str] | None, deadline: Deadline) -> object:
        is_of_one = parameters is not None and "username" in parameters
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
                    body = _read(response, at_most=ONE_ANSWER_MAX if is_of_one else ANSWER_MAX)
            except TRANSPORT_ERRORS as error:
                if deadline.passed or _is_timeout(error):
                    raise OpenEdxTimeout("Open edX did not answer in time.") from error
                raise OpenEdxUnreachable("The connection to Open edX failed.") from error
            if deadline.passed:
                # We may have hung up ourselves in the middle of a body without a length.
                raise OpenEdxTimeout("Open edX did not answer in time.")
        raise_for_status(response, body)
        return parse_json(body)

    def _next_page(self, url: str, address: object) -> str:
        """Return where the next page of the course at `url` is: there again, with its cursor.

        Open edX builds the address from the Host header it saw, with http where TLS ended before
        it, and without what a proxy cut off the path. So nothing but the query is believed, and the
        token goes where it went before. A host that is not ours is refused all the same: it is not
        Open edX that answers.
        """
        if not isinstance(address, str):
            raise OpenEdxNonsense("Open edX's next page is not an address.")
        base, page = _split(self._base), _split(address)
        if page.hostname != base.hostname or _port(page) not in (_port(base), None):
            raise OpenEdxNonsense("Open edX's next page is on another origin.")
        return f"{url.partition('?')[0]}?{page.query}"


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise OpenEdxNonsense("Open edX's next page is not an address.") from error
    return parts


def _port(parts: SplitResult) -> int | None:
    """Return the port that is written, None for a scheme's own."""
    return None if parts.port in (80, 443) else parts.port


def _is_timeout(error: Exception) -> bool:
    """Whether a time-out is behind the error; a retried read's arrives as a failed connection."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    # Not urllib3's TimeoutError: there a connection that is refused is one, too.
    return isinstance(error, requests.Timeout) or isinstance(reason, ReadTimeoutError)


def _read(response: requests.Response, *, at_most: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > at_most:
            raise OpenEdxNonsense(f"Open edX's answer is over {at_most} bytes.")
    return bytes(body)
