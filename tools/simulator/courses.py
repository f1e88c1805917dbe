"""What the stand-in knows: courses, their learners, and each learner's grade in each course."""

import threading
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tools.simulator.exceptions import LearnerFieldError, UnknownLearnerError

NOT_GIVEN: Final = object()
LEARNER_FIELDS: Final = frozenset(
    {
        "username",
        "email",
        "enrolled",
        "computable",
        "passed",
        "percent",
        "letter_grade",
        "record",
    }
)
# What a grade says of its learner. Setting one of these makes the answer contradict the question.
IDENTITY_FIELDS: Final = frozenset({"username", "email", "course_id"})
_FLAGS: Final = ("enrolled", "computable")


@dataclass(frozen=True, slots=True)
class Learner:
    """One learner in one course. The grade's fields may be nonsense: they are answered as they are.

    ``computable`` false: Open edX fails to work the grade out, and leaves it out of its answers.
    ``record``: answered in place of the whole grade, whatever it is.
    """

    username: str
    email: str = ""
    enrolled: bool = True
    computable: bool = True
    passed: object = False
    percent: object = 0.0
    letter_grade: object = None
    record: object = NOT_GIVEN

    def answer(self, course_id: str) -> Any:
        """Return the grade as Open edX words it. The address is blank, as it is for nearly all."""
        if self.record is not NOT_GIVEN:
            return self.record
        return {
            "username": self.username,
            "email": "",
            "course_id": course_id,
            "passed": self.passed,
            "percent": self.percent,
            "letter_grade": self.letter_grade,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a course's active enrollments, in the order they were made."""

    number: int
    learners: list[Learner]
    first_position: int
    last_position: int
    has_previous: bool
    has_next: bool


class SimulatedCourse:
    """A course run. Reading a page costs the page's size, however many learners there are.

    As Open edX on MySQL it finds a learner by the username in any case, and answers its own
    spelling.
    """

    def __init__(self, course_id: str, learners: Iterable[Learner] = ()) -> None:
        self.course_id = course_id
        self._lock = threading.RLock()
        self._learners: dict[str, Learner] = {}
        self._positions: dict[str, int] = {}
        self._enrolled: list[tuple[int, str]] = []
        for learner in learners:
            self.put(learner)

    def __iter__(self) -> Iterator[Learner]:
        with self._lock:
            return iter(list(self._learners.values()))

    def find_learner(self, username: str) -> Learner | None:
        """Return the learner, enrolled or not, or None."""
        return self._learners.get(username.lower())

    def put(self, learner: Learner) -> None:
        """Add the learner, or replace the one of that username, with its place in the pages."""
        key = learner.username.lower()
        with self._lock:
            before = self._learners.get(key)
            was_enrolled = before is not None and before.enrolled
            place = (self._positions.setdefault(key, len(self._positions)), key)
            self._learners[key] = learner
            if learner.enrolled and not was_enrolled:
                insort(self._enrolled, place)
            elif was_enrolled and not learner.enrolled:
                del self._enrolled[bisect_left(self._enrolled, place)]

    def change(self, username: str, fields: Mapping[str, Any]) -> Learner:
        """Set fields of one learner. The latest word wins: an earlier ``record`` is forgotten."""
        check_fields(fields, LEARNER_FIELDS | IDENTITY_FIELDS)
        identity = {name: fields[name] for name in fields if name in IDENTITY_FIELDS}
        own = {name: fields[name] for name in fields if name not in IDENTITY_FIELDS}
        with self._lock:
            learner = self.find_learner(username)
            if learner is None:
                raise UnknownLearnerError(f"{self.course_id} has no learner {username!r}.")
            changed = replace(learner, **{"record": NOT_GIVEN, **own})
            if identity:
                changed = replace(changed, record=changed.answer(self.course_id) | identity)
            self.put(changed)
            return changed

    def page(self, size: int, *, after: int = -1, before: int | None = None) -> Page:
        """Return up to ``size`` learners behind position ``after``, or those up to ``before``."""
        with self._lock:
            if before is None:
                start = bisect_left(self._enrolled, (after + 1,))
                end = min(start + size, len(self._enrolled))
            else:
                end = bisect_left(self._enrolled, (before,))
                start = max(0, end - size)
            places = self._enrolled[start:end]
            return Page(
                number=-(-start // size) + 1,
                learners=[self._learners[key] for _, key in places],
                first_position=places[0][0] if places else 0,
                last_position=places[-1][0] if places else 0,
                has_previous=start > 0 and bool(places),
                has_next=end < len(self._enrolled),
            )

    def enrolled_learners(self) -> list[Learner]:
        """Return every learner with an active enrollment: the whole course, for old releases."""
        with self._lock:
            return [self._learners[key] for _, key in self._enrolled]


class Courses:
    """All courses of the stand-in; they can be changed while it answers."""

    def __init__(self, courses: Iterable[SimulatedCourse] = ()) -> None:
        self._courses = {course.course_id: course for course in courses}

    def __iter__(self) -> Iterator[SimulatedCourse]:
        return iter(list(self._courses.values()))

    def __len__(self) -> int:
        return len(self._courses)

    @property
    def learner_count(self) -> int:
        """How many people there are; a learner of two courses counts once."""
        return len({learner.username.lower() for course in self for learner in course})

    def find_course(self, course_id: str) -> SimulatedCourse | None:
        """Return the course, or None."""
        return self._courses.get(course_id)

    def knows(self, username: str) -> bool:
        """Whether anybody of that username is in any course."""
        return any(course.find_learner(username) for course in self)

    def set_grade(self, course_id: str, username: str, /, **fields: Any) -> Learner:
        """Change what is answered of one learner; raise UnknownLearnerError for a stranger.

        ``passed``, ``percent``, ``letter_grade``, ``computable`` and ``enrolled`` mean what they
        say; ``username``, ``course_id`` and ``email`` make the grade claim to be another's;
        ``record`` is answered in place of the whole grade.
        """
        course = self.find_course(course_id)
        if course is None:
            raise UnknownLearnerError(f"There is no course {course_id!r}.")
        return course.change(username, fields)

    def enroll(self, course_id: str, username: str, /, email: str = "", **fields: Any) -> Learner:
        """Enroll a learner, making the course if needed; safe to repeat, the grade stays."""
        check_fields(fields, LEARNER_FIELDS | IDENTITY_FIELDS)
        course = self._courses.setdefault(course_id, SimulatedCourse(course_id))
        learner = course.find_learner(username) or Learner(username)
        learner = replace(learner, enrolled=True, email=email or learner.email)
        course.put(learner)
        return course.change(username, fields) if fields else learner

    def unenroll(self, course_id: str, username: str, /) -> Learner:
        """End a learner's enrollment; raise UnknownLearnerError for a stranger."""
        return self.set_grade(course_id, username, enrolled=False)


def check_fields(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise LearnerFieldError for a field that is not known, or a flag that is not a boolean."""
    if unknown := sorted(set(fields) - known):
        raise LearnerFieldError(
            f"unknown: {', '.join(unknown)}. A learner has {', '.join(sorted(known))}."
        )
    for flag in _FLAGS:
        if not isinstance(fields.get(flag, True), bool):
            raise LearnerFieldError(f"{flag} must be true or false.")
