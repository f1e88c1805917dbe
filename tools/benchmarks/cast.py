"""The learners of a benchmark: here and on Open edX, told by a learner's number alone."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENT_VERIFIED_MODE

RUN_PREFIX: Final = "course-v1:MITxT+bench+R"
COURSE_ID: Final = f"{RUN_PREFIX}1"
# Not live, so that it is swept only by name: code and connections get warm on it.
WARM_UP_COURSE_ID: Final = "course-v1:MITxT+bench+warm-up"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is true of a learner."""

    passed: bool = True
    percent: float = 0.9
    letter_grade: str | None = "A"
    mode: str = EDX_ENROLLMENT_VERIFIED_MODE
    is_active: bool = True
    is_known: bool = True


PAID: Final = (Kind(),)
# Learner 0 is of the first kind, learner 20 again.
MIXED: Final = (
    *(Kind(percent=0.71 + number / 100, letter_grade="AB"[number % 2]) for number in range(13)),
    *(Kind(mode=EDX_ENROLLMENT_AUDIT_MODE),) * 2,
    Kind(passed=False, percent=0.42, letter_grade=None),
    Kind(passed=False, percent=0.0, letter_grade=None),
    Kind(passed=False, percent=0.17, letter_grade=None, mode=EDX_ENROLLMENT_AUDIT_MODE),
    Kind(is_active=False),
    Kind(is_known=False),
)


def learner(number: int) -> str:
    """Return the learner's username, here and on Open edX."""
    return f"learner-{number}"


def write_courses(
    path: Path, courses: Mapping[str, Iterable[int]], kinds: tuple[Kind, ...] = PAID
) -> None:
    """Write the file that the simulated Open edX reads: which learners each course has."""
    with path.open("w") as file:
        file.write('{"courses": [')
        for place, (course_id, numbers) in enumerate(courses.items()):
            file.write(f'{", " if place else ""}{{"course_id": {json.dumps(course_id)}, ')
            # Piece by piece: a hundred thousand learners need not be in memory twice.
            file.write(f'"learners": [{", ".join(_as_json(numbers, kinds))}]}}')
        file.write("]}")


def courses_of(learners: int, runs: int) -> dict[str, Iterable[int]]:
    """Return the learners of each run by its course id; the warm-up is the first twenty's."""
    return {
        WARM_UP_COURSE_ID: range(min(learners, len(MIXED))),
        **{
            f"{RUN_PREFIX}{run + 1}": range(run * learners, (run + 1) * learners)
            for run in range(runs)
        },
    }


def _as_json(numbers: Iterable[int], kinds: tuple[Kind, ...]) -> Iterator[str]:
    for number in numbers:
        kind = kinds[number % len(kinds)]
        grade: dict[str, Any] = {
            "username": learner(number),
            "passed": kind.passed,
            "percent": kind.percent,
            "letter_grade": kind.letter_grade,
        }
        yield json.dumps(grade)
