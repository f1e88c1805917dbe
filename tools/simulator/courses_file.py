"""Reads courses and learners from a JSON file.

    {"courses": [{"course_id": "course-v1:MITx+6.00x+2026", "learners": [
        {"username": "alice", "email": "alice@example.com",
         "passed": true, "percent": 0.91, "letter_grade": "A"}]}]}

A learner needs a ``username`` alone; the other fields are those of ``courses.Learner``, with its
defaults. Any object may carry a ``comment``. NaN and Infinity are allowed, as Python writes them.
"""

import json
from pathlib import Path
from typing import Any, Final

from tools.simulator.courses import LEARNER_FIELDS, Courses, Learner, SimulatedCourse, check_fields
from tools.simulator.exceptions import CoursesFileError, LearnerFieldError

_COMMENT: Final = "comment"


def load_courses(path: Path | str) -> Courses:
    """Return the courses of a file; raise CoursesFileError that names the file and the place."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CoursesFileError(f"{path}: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise CoursesFileError(
            f"{path}: line {error.lineno} column {error.colno}: {error.msg}."
        ) from error
    except UnicodeDecodeError as error:
        raise CoursesFileError(f"{path}: byte {error.start}: not UTF-8.") from error
    return _Reader(path).read(content)


class _Reader:
    """Walks the content of one file, and knows how to name the place of a mistake."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, content: object) -> Courses:
        top = self._object(content, "the file", {"courses"})
        courses: dict[str, SimulatedCourse] = {}
        for index, item in enumerate(self._list(top.get("courses"), "courses")):
            place = f"courses[{index}]"
            course = self._course(item, place)
            if course.course_id in courses:
                raise self._error(f"{place}.course_id", f"{course.course_id!r} is there twice")
            courses[course.course_id] = course
        return Courses(courses.values())

    def _course(self, content: object, place: str) -> SimulatedCourse:
        fields = self._object(content, place, {"course_id", "learners"})
        course_id = self._text(fields.get("course_id"), f"{place}.course_id")
        learners: dict[str, Learner] = {}
        for index, item in enumerate(self._list(fields.get("learners", []), f"{place}.learners")):
            learner_place = f"{place}.learners[{index}]"
            learner = self._learner(item, learner_place)
            if learner.username.lower() in learners:
                raise self._error(
                    f"{learner_place}.username", f"{learner.username!r} is there twice"
                )
            learners[learner.username.lower()] = learner
        return SimulatedCourse(course_id, learners.values())

    def _learner(self, content: object, place: str) -> Learner:
        fields = self._object(content, place, None)
        self._text(fields.get("username"), f"{place}.username")
        if not isinstance(fields.get("email", ""), str):
            raise self._error(f"{place}.email", "must be a text")
        try:
            check_fields(fields, LEARNER_FIELDS)
        except LearnerFieldError as error:
            raise CoursesFileError(f"{self._path}: {place}: {error}") from error
        return Learner(**fields)

    def _object(self, content: object, place: str, known: set[str] | None) -> dict[str, Any]:
        if not isinstance(content, dict):
            raise self._error(place, "must be an object")
        fields = {name: value for name, value in content.items() if name != _COMMENT}
        if known is not None and (unknown := sorted(set(fields) - known)):
            raise self._error(place, f"unknown: {', '.join(unknown)}")
        return fields

    def _list(self, content: object, place: str) -> list[Any]:
        if not isinstance(content, list):
            raise self._error(place, "must be a list")
        return content

    def _text(self, content: object, place: str) -> str:
        if not isinstance(content, str) or not content:
            raise self._error(place, "must be a text that is not empty")
        return content

    def _error(self, place: str, fact: str) -> CoursesFileError:
        return CoursesFileError(f"{self._path}: {place}: {fact}.")
