"""The wrong answers: what Open edX, or the proxy in front of it, says when it fails."""

import re
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Final

from tools.simulator.faults import Fault
from tools.simulator.grades import not_found
from tools.simulator.replies import Reply, phrase_of

_DEFAULT_RETRY_AFTER: Final = 30
_SERVER_ERROR: Final = 500
_PASSED: Final = re.compile(rb'"passed": (true|false)')
_BODIES: Final = {
    "malformed": b'[{"username": "',
    "empty-list": b"[]",
    "empty-object": b"{}",
}


def find_wrong_reply(fault: Fault, target: str) -> Reply | None:
    """Return the answer a fault gives to a question for ``target``.

    None: the right answer is given, and the fault lies in how, or whether, it is sent.
    """
    if fault.word in _BODIES:
        return Reply(200, _BODIES[fault.word])
    if fault.word == "json":
        return Reply(200, fault.text.encode())
    if fault.word == "html":
        return Reply.of_html(fault.status)
    if fault.word == "redirect":
        return Reply(302, b"", "text/html", {"Location": fault.target + target})
    status, _, form = fault.word.partition("-")
    if status.isdigit():
        return _status_reply(fault, int(status), is_date=form == "date")
    return None


def with_repeated_key(reply: Reply) -> Reply:
    """Return the reply with the first learner's `passed` in it twice."""
    return replace(reply, body=_PASSED.sub(rb"\g<0>, \g<0>", reply.body, count=1))


def _status_reply(fault: Fault, status: int, *, is_date: bool) -> Reply:
    retry_after = fault.retry_after
    if retry_after is None and status == 429:
        retry_after = _DEFAULT_RETRY_AFTER
    headers: dict[str, str] = {}
    if is_date and isinstance(retry_after, int):
        headers["Retry-After"] = formatdate(time.time() + retry_after, usegmt=True)
    elif retry_after not in {None, ""}:
        headers["Retry-After"] = str(retry_after)

    if status >= _SERVER_ERROR:
        return Reply.of_html(status, headers)
    match status:
        case 401:
            headers["WWW-Authenticate"] = 'Bearer realm="api"'
            answer = {
                "error_code": "token_expired",
                "developer_message": "The provided access token has expired and is no longer valid.",
            }
        case 403:
            answer = {"detail": "You do not have permission to perform this action."}
        case 404:
            return not_found(fault.error_code, "What was asked for does not exist.")
        case 429:
            answer = {"detail": "Request was throttled."}
        case _:
            answer = {"detail": phrase_of(status) or "Refused."}
    return Reply.of_json(answer, status, headers)
