"""Reads courses and learners from a JSON file.

    {"courses": [{"course_id": "course-v1:MITx+6.00x+2026", "learners": [
        {"username": "alice", "email": "alice@example.com",
         "passed": true, "percent": 0.91, "letter_grade": "A"}]}]}

A learner needs a ``username`` alone; the other fields are those of ``courses.Learner``, with its
defaults. Any object may carry a ``comment``. NaN and Infinity are allowed, as Python writes them.
"""

import json
from pathlib import Path
from typing import Any

from tools.simulator.courses import LEARNER_FIELDS, Courses, Learner, SimulatedCourse, check_fields
from tools.simulator.exceptions import CoursesFileError, LearnerFieldError


def load_courses(path: Path | str) -> Courses:
    """Return the courses of a file; raise CoursesFileError that names the file and the place."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CoursesFileError(f"{path}: {error.strerror}.") from error
    except ValueError as error:
        raise CoursesFileError(f"{path}: {error}.") from error
    courses, place = [], "the file"
    try:
        for index, course in enumerate(_read(content, "courses")["courses"]):
            place = f"courses[{index}]"
            fields = _read(course, "course_id", "learners")
            learners = []
            for number, learner in enumerate(fields.get("learners", [])):
                place = f"courses[{index}].learners[{number}]"
                learners.append(_read_learner(learner))
            courses.append(SimulatedCourse(fields["course_id"], learners))
    except (LearnerFieldError, KeyError, TypeError, AttributeError) as error:
        raise CoursesFileError(f"{path}: {place}: {error}") from error
    return Courses(courses)


def _read(content: Any, *known: str) -> dict[str, Any]:
    fields = {name: value for name, value in content.items() if name != "comment"}
    if unknown := sorted(set(fields).difference(known)):
        raise LearnerFieldError(f"unknown: {', '.join(unknown)}")
    return fields


def _read_learner(content: Any) -> Learner:
    fields = _read(content, *content)
    check_fields(fields, LEARNER_FIELDS)
    return Learner(**fields)
