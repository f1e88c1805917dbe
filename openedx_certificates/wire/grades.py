"""A grade as Open edX reports it, checked once, at the edge."""

import time
import unicodedata
from dataclasses import dataclass, field

EDX_LETTER_GRADE_MAX_LENGTH = 10
# A percent can pass 1.0 if a course gives extra points (the contract, section 4).
EDX_GRADE_MIN = 0.0
EDX_GRADE_MAX = 2.0
# Control characters, lone surrogates, and the two separators that end a line as well.
_UNSTORABLE = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class EdxGrade:
    """A learner's grade in a course run. `percent` runs from 0.0 to 2.0; 1.0 is all points."""

    username: str
    course_id: str
    passed: bool
    percent: float
    letter_grade: str | None
    #: When Open edX was asked for it, in seconds by `time.monotonic()`.
    asked_at: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True, slots=True)
class RefusedGrade:
    """A record that can't be taken as a grade, and why; `username` is None if it has none."""

    username: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RepeatedKey:
    """An object of JSON in which a key stands twice, so that no value can be said to count."""

    pairs: list[tuple[str, object]]

    def get(self, key: str) -> object:
        """Return the value of a key that stands once, else None."""
        values = [value for name, value in self.pairs if name == key]
        return values[0] if len(values) == 1 else None


def has_repeated_key(value: object) -> bool:
    """Whether a key stands twice in the value, or in anything that it holds."""
    left = [value]
    while left:
        match left.pop():
            case RepeatedKey():
                return True
            case dict() as fields:
                left.extend(fields.values())
            case list() as values:
                left.extend(values)
    return False


def parse_grade(record: object, *, course_id: str, asked_at: float) -> EdxGrade | RefusedGrade:
    """Return the grade in one record of the grades API, or why it is refused. Never raises.

    The rules are the contract's: a record of another course, one in which a key stands twice, a
    percent that is no number from 0.0 to 2.0, a `passed` that is no boolean and a letter that does
    not fit are refused, each for its learner alone. A reason never holds the value it is about.
    """
    if not isinstance(record, dict | RepeatedKey):
        return RefusedGrade(None, "the record is not an object")
    username = record.get("username")
    if not isinstance(username, str) or not username or not _is_storable(username):
        username = None
    if isinstance(record, RepeatedKey) or has_repeated_key(record):
        return RefusedGrade(username, "a key stands twice")
    if username is None:
        return RefusedGrade(None, "username is not a name")
    problem = _problem(record, course_id)
    if problem:
        return RefusedGrade(username, problem)
    return EdxGrade(
        username=username,
        course_id=course_id,
        passed=record["passed"],
        # Adding 0.0 turns -0.0 into 0.0, so that a stored zero reads as one.
        percent=float(record["percent"]) + 0.0,
        letter_grade=record.get("letter_grade"),
        asked_at=asked_at,
    )


def _problem(record: dict[str, object], course_id: str) -> str | None:
    percent, letter = record.get("percent"), record.get("letter_grade")
    if record.get("course_id") != course_id:
        return "course_id is another course's"
    # A boolean is an int in Python, and is no percent.
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        return "percent is not a number"
    # No comparison with NaN holds, so it falls out of the range as well.
    if not EDX_GRADE_MIN <= percent <= EDX_GRADE_MAX:
        return "percent is out of range"
    if not isinstance(record.get("passed"), bool):
        return "passed is not a boolean"
    if letter is not None and not isinstance(letter, str):
        return "letter_grade is not a text"
    if letter is not None and (
        len(letter) > EDX_LETTER_GRADE_MAX_LENGTH or not _is_storable(letter)
    ):
        return "letter_grade does not fit"
    return None


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text, and a log can show it in one line."""
    # None of these can be printed, and nearly every text can: the look at each character is rare.
    return text.isprintable() or not any(
        unicodedata.category(character) in _UNSTORABLE for character in text
    )
