"""What an answer of Open edX means: a value, or one of `openedx_certificates.wire.exceptions`."""

import json
from http import HTTPStatus

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from openedx_certificates.wire.exceptions import (
    OpenEdxNonsense,
    OpenEdxNotFound,
    OpenEdxRefused,
    OpenEdxThrottled,
    OpenEdxTimeout,
    OpenEdxUnreachable,
    UnusableGrade,
)
from openedx_certificates.wire.grades import (
    EdxGrade,
    RefusedGrade,
    RepeatedKey,
    has_repeated_key,
    parse_grade,
)

# Seconds. urllib3 alone would cut it at six hours; the caller decides how long is too long.
RETRY_AFTER_MAX = 366 * 86_400
_CODE_MAX_LENGTH = 64


def raise_for_status(response: requests.Response, body: bytes) -> None:
    """Raise the OpenEdxError that a status other than 200 stands for."""
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        if not _is_open_edx_own(body):
            raise OpenEdxRefused(
                f"Something before Open edX refused the question ({status}, and the body is not "
                "Open edX's JSON): look at the firewall or proxy in between."
            )
        raise OpenEdxRefused(
            f"Open edX refused our token ({status}): check OPENEDX_SERVICE_WORKER_API_TOKEN "
            "and that its user is staff there."
        )
    if status == HTTPStatus.NOT_FOUND:
        code = _error_code(body)
        by_whom = "" if _is_open_edx_own(body) else ", and the body is not Open edX's JSON"
        raise OpenEdxNotFound(
            f"Open edX does not know it ({code or status}{by_whom}).", error_code=code
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise OpenEdxThrottled(
            "Open edX asks us to ask less often (429).", retry_after=_retry_after(response)
        )
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        raise OpenEdxTimeout(
            "Open edX did not answer the proxy before it in time (504).",
            retry_after=_retry_after(response),
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise OpenEdxUnreachable(
            f"Open edX failed to answer ({status}).", retry_after=_retry_after(response)
        )
    raise OpenEdxNonsense(f"Open edX answered with status {status}.")


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of Retry-After, which may be a number or a date."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return float(Retry(retry_after_max=RETRY_AFTER_MAX).parse_retry_after(value))
    except (InvalidHeader, ValueError, OverflowError):
        return None


def parse_json(body: bytes) -> object:
    """Return what the body holds, an object with the same key twice as a RepeatedKey.

    Raises OpenEdxNonsense if it is not JSON, or if it is itself such an object.
    """
    try:
        # Whole numbers become floats: a percent of five thousand digits is then infinite, and its
        # learner's affair; int() would raise and take the page along.
        answer = json.loads(body.decode("utf-8"), parse_int=float, object_pairs_hook=_read_object)
    except (ValueError, RecursionError) as error:
        raise OpenEdxNonsense("Open edX's answer is not JSON.") from error
    if isinstance(answer, RepeatedKey):
        raise OpenEdxNonsense("A key stands twice in Open edX's answer.")
    return answer


def _read_object(pairs: list[tuple[str, object]]) -> dict[str, object] | RepeatedKey:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else RepeatedKey(pairs)


def _is_open_edx_own(body: bytes) -> bool:
    """Whether Open edX itself gave the bad news, and not a firewall or proxy before it."""
    return not _read_bad_news(body).keys().isdisjoint({"developer_message", "detail", "error_code"})


def _error_code(body: bytes) -> str | None:
    code = _read_bad_news(body).get("error_code")
    # It ends in our log: a word, or nothing.
    if not isinstance(code, str) or len(code) > _CODE_MAX_LENGTH:
        return None
    return code if code.isascii() and code.isidentifier() else None


def _read_bad_news(body: bytes) -> dict[str, object]:
    try:
        answer = parse_json(body)
    except OpenEdxNonsense:
        return {}
    return answer if isinstance(answer, dict) else {}


def read_only_grade(answer: object, course_id: str, username: str, *, asked_at: float) -> EdxGrade:
    """Return the one grade in the answer, which is this learner's in this course.

    Open edX (on MySQL) tells usernames apart without regard to case, and answers its own spelling.
    """
    if not isinstance(answer, list):
        raise OpenEdxNonsense("Open edX answered a learner's grade without a list.")
    if len(answer) != 1:
        raise UnusableGrade(f"Open edX answered {len(answer)} grades of one learner.")
    grade = parse_grade(answer[0], course_id=course_id, asked_at=asked_at)
    if isinstance(grade, RefusedGrade):
        raise UnusableGrade(f"Open edX's grade of the learner is refused: {grade.reason}.")
    # Not casefold(), which takes letters for each other that are not one letter in another case.
    if grade.username.lower() != username.lower():
        raise UnusableGrade("Open edX answered the grade of another learner.")
    return grade


def read_page(answer: object) -> tuple[list[object], object]:
    """Return a page's records, and its word for the next page."""
    # Old releases answer everything in one list.
    if isinstance(answer, list):
        return answer, None
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise OpenEdxNonsense("Open edX answered a page of grades without results.")
    # What stands twice in one of the results is that learner's affair.
    if has_repeated_key([value for key, value in answer.items() if key != "results"]):
        raise OpenEdxNonsense("A key stands twice in Open edX's answer.")
    return answer["results"], answer.get("next")
