"""How the stand-in can be told to fail: what happens, to which answers, and how often."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from tools.simulator.exceptions import FaultError

# What happens, by the word it is called by; the part in brackets may follow after a colon.
FAULT_WORDS: Final[Mapping[str, str]] = {
    "401": "the token has expired",
    "403": "the token's user is no staff",
    "404[:CODE]": "JSON with that error_code (user_does_not_exist)",
    "429[:SECONDS]": "too many requests; Retry-After in seconds (30)",
    "429-date[:SECONDS]": "the same, Retry-After as an HTTP-date",
    "500, 502, 503[:SECONDS]": "an HTML page; with seconds, a Retry-After too; any 4xx, 5xx works",
    "html[:STATUS]": "an HTML page, by default with status 200",
    "json:TEXT": "status 200 and exactly this text as application/json",
    "malformed": "JSON that breaks off, in an answer that is otherwise complete",
    "truncated": "half the right answer, then the connection is closed",
    "repeated-key": "the right answer, with the first learner's `passed` in it twice",
    "empty-list": "[]",
    "empty-object": "{}",
    "close": "the connection is closed without an answer",
    "hang[:SECONDS]": "silence until the fault is lifted (then the right answer) or the limit (60)",
    "drip-headers[:MS]": "the whole right answer, one byte every so many milliseconds (200)",
    "drip-body[:MS]": "the headers at once, the body one byte every so many milliseconds (200)",
    "delay[:MS]": "the right answer, after so many milliseconds (1000)",
    "redirect[:ORIGIN]": "a 302 to the same path at another origin (http://elsewhere.invalid)",
    "foreign-next[:ORIGIN]": "the right answer, its links at another origin, as behind a proxy",
}
# To which answers: the words of ``Fault.parse``'s ``on``.
FAULT_PLACES: Final = "all, pages, page:NUMBER or username:NAME"

_PLAIN_WORDS: Final = frozenset(
    {"malformed", "truncated", "repeated-key", "empty-list", "empty-object", "close"}
)
# Which field the part behind the colon fills, and how it is read.
_VALUE_FIELDS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "404": ("error_code", str),
    "html": ("status", int),
    "json": ("text", str),
    "hang": ("limit_seconds", float),
    "drip-headers": ("delay_ms", int),
    "drip-body": ("delay_ms", int),
    "delay": ("delay_ms", int),
    "redirect": ("target", str),
    "foreign-next": ("target", str),
}
_STATUS_WORD: Final = re.compile(r"[45][0-9]{2}|429-date")
_ORIGIN: Final = re.compile(r"https?://[^\s/?#]+")
_NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "page": (1, 10**9),
    "count": (1, 10**9),
    "delay_ms": (0, 86_400_000),
    "status": (200, 599),
    "limit_seconds": (0, 86_400),
}
_DEFAULT_DELAYS: Final[Mapping[str, int]] = {"delay": 1000, "drip-headers": 200, "drip-body": 200}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. Without a selector it meets every answer of the API, for ever.

    ``count``: only the next so many answers that it meets. ``delay_ms`` is the wait before the
    answer; for the two drips, between bytes. ``retry_after``: seconds, or a text sent as it is;
    a blank text sends none.
    """

    word: str
    pages_only: bool = False
    page: int | None = None
    username: str | None = None
    count: int | None = None
    delay_ms: int = 0
    status: int = 200
    retry_after: int | str | None = None
    error_code: str = "user_does_not_exist"
    text: str = "null"
    target: str = "http://elsewhere.invalid"
    limit_seconds: float = 60.0

    def __post_init__(self) -> None:
        known = _PLAIN_WORDS | set(_VALUE_FIELDS)
        if self.word not in known and not _STATUS_WORD.fullmatch(self.word):
            words = ", ".join(sorted(known | {"429-date"}))
            raise FaultError(f"No fault is called {self.word!r}. There are: 400 to 599, {words}.")
        for name, (least, most) in _NUMBERS.items():
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and least <= value <= most):
                raise FaultError(f"{name} must be a number from {least} to {most}.")
        for name in ("username", "error_code", "text", "target"):
            if not isinstance(getattr(self, name), str | None):
                raise FaultError(f"{name} must be a text.")
        if not isinstance(self.retry_after, int | str | None):
            raise FaultError("retry_after must be a number of seconds, or a text.")
        if not _ORIGIN.fullmatch(self.target):
            raise FaultError(f"{self.target!r} is no origin like http://127.0.0.1:9000.")
        if not self.delay_ms and self.word in _DEFAULT_DELAYS:
            object.__setattr__(self, "delay_ms", _DEFAULT_DELAYS[self.word])

    @classmethod
    def parse(cls, words: str, *, on: str = "all", **others: Any) -> Self:
        """Read a fault as on the command line: ``429:120``, on ``page:2``. Raises FaultError."""
        word, _, value = words.partition(":")
        chosen: dict[str, Any] = {"word": word, **others, **_parse_place(on)}
        if value:
            name, read = ("retry_after", int) if _is_status(word) else _VALUE_FIELDS.get(word, _NO)
            try:
                chosen[name] = read(value)
            except ValueError:
                raise FaultError(f"{word!r} cannot be followed by {value!r}.") from None
        return cls(**chosen)

    @classmethod
    def from_json(cls, content: object) -> Self:
        """Read ``{"fault": WORDS, "on": PLACE, "count": ...}`` and any other field by its name."""
        if not isinstance(content, dict) or not isinstance(content.get("fault"), str):
            raise FaultError('A fault is an object with at least {"fault": "503"}.')
        others = {name: value for name, value in content.items() if name != "fault"}
        known = {field.name for field in fields(cls)} - {"word"} | {"on"}
        if unknown := sorted(set(others) - known):
            raise FaultError(f"Unknown: {', '.join(unknown)}. There are: {sorted(known)}.")
        if not isinstance(others.get("on", ""), str):
            raise FaultError(f"on must be {FAULT_PLACES}.")
        return cls.parse(content["fault"], **others)

    def meets(self, *, username: str | None, page_number: int | None) -> bool:
        """Whether this fault is for the answer to such a question (``count`` aside)."""
        if self.username is not None:
            return username is not None and username.lower() == self.username.lower()
        if self.page is not None:
            return page_number == self.page
        return not self.pages_only or page_number is not None


class ActiveFault:
    """A fault in force. ``over`` is set once it is lifted: an answer that hangs or drips then goes on."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.remaining = fault.count
        self.over = threading.Event()


class FaultBoard:
    """The faults in force. Of several, the first that meets an answer and has some left counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[ActiveFault] = []

    def replace(self, *faults: Fault) -> None:
        """Put these in force in place of all earlier ones, which end at once."""
        with self._lock:
            ended, self._active = self._active, [ActiveFault(fault) for fault in faults]
        for active in ended:
            active.over.set()

    def current(self) -> list[ActiveFault]:
        """Return the faults in force, those that have none left included."""
        with self._lock:
            return list(self._active)

    def take(
        self, username: str | None, find_page_number: Callable[[], int | None]
    ) -> ActiveFault | None:
        """Return the fault for an answer, and count it, or None."""
        if not self._active:
            return None
        page_number = find_page_number()
        with self._lock:
            for active in self._active:
                if active.remaining == 0:
                    continue
                if active.fault.meets(username=username, page_number=page_number):
                    if active.remaining is not None:
                        active.remaining -= 1
                    return active
        return None


def _refuse_value(value: str) -> str:
    raise ValueError(value)


_NO: Final = ("word", _refuse_value)


def _parse_place(on: str) -> dict[str, Any]:
    kind, _, value = on.partition(":")
    if on == "all":
        return {}
    if on == "pages":
        return {"pages_only": True}
    if kind == "page" and re.fullmatch(r"[0-9]{1,9}", value):
        return {"page": int(value)}
    if kind == "username" and value:
        return {"username": value}
    raise FaultError(f"{on!r} is no place for a fault: {FAULT_PLACES}.")


def _is_status(word: str) -> bool:
    return word != "404" and _STATUS_WORD.fullmatch(word) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
