"""Reads what the demo's courses are, once for both sides.

`openedx.json` is what Open edX knows: the learners of each course run, and the grades. The simulated
Open edX answers from it. `catalogue.json` adds what is known here alone: titles, dates, names, and
and the learners that did not pay. Neither repeats the other, but for the names that tie them together.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENT_VERIFIED_MODE
from tools.demo.failure import DemoFailed
from tools.simulator import SimulatedCourse, load_courses

OPENEDX_FILE = Path(__file__).with_name("openedx.json")
CATALOGUE_FILE = Path(__file__).with_name("catalogue.json")


@dataclass(frozen=True, slots=True)
class Learner:
    """A person, with the same username here and on Open edX."""

    username: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A learner in a run: the mode is known here, the grade on Open edX."""

    learner: Learner
    mode: str
    passed: bool
    has_grade: bool

    @property
    def is_verified(self) -> bool:
        """Whether the learner paid."""
        return self.mode == EDX_ENROLLMENT_VERIFIED_MODE

    @property
    def has_earned(self) -> bool:
        """Whether the learner has earned a certificate, be its date still to come."""
        return self.passed and self.is_verified


@dataclass(frozen=True, slots=True)
class Run:
    """A course run. Days count from today; None: there is no such date."""

    course_id: str
    title: str
    is_self_paced: bool
    start_in_days: int
    end_in_days: int
    certificate_in_days: int | None
    enrolled: tuple[Enrolled, ...]

    @property
    def is_due(self) -> bool:
        """Whether the sweep issues the run's certificates today."""
        if self.is_self_paced:
            return True
        return self.certificate_in_days is not None and self.certificate_in_days <= 0

    def find(self, *, passed: bool, verified: bool, number: int = 1) -> Learner:
        """Return the first learner with a grade like this, or the second, and so on."""
        found = [
            one.learner
            for one in self.enrolled
            if one.has_grade and one.passed is passed and one.is_verified is verified
        ]
        if len(found) < number:
            raise DemoFailed(f"{self.course_id} has no learner for the story.")
        return found[number - 1]


def load_runs() -> tuple[Run, ...]:
    """Return the course runs in the catalogue's order; raise DemoFailed if the files differ."""
    catalogue: dict[str, Any] = json.loads(CATALOGUE_FILE.read_text(encoding="utf-8"))
    courses = {course.course_id: course for course in load_courses(OPENEDX_FILE)}
    names: dict[str, str] = catalogue["learners"]
    _require_same("courses", courses, [fields["course_id"] for fields in catalogue["runs"]])
    _require_same(
        "learners", (one.username for course in courses.values() for one in course), names
    )
    return tuple(_run(fields, courses[fields["course_id"]], names) for fields in catalogue["runs"])


def _run(fields: dict[str, Any], course: SimulatedCourse, names: dict[str, str]) -> Run:
    audit = set(fields["audit"])
    strangers = audit - {one.username for one in course}
    if strangers:
        raise DemoFailed(f"{course.course_id}: {sorted(strangers)} take it in one file only.")
    return Run(
        course_id=course.course_id,
        title=fields["title"],
        is_self_paced=fields["is_self_paced"],
        start_in_days=fields["start_in_days"],
        end_in_days=fields["end_in_days"],
        certificate_in_days=fields["certificate_in_days"],
        enrolled=tuple(
            Enrolled(
                learner=Learner(one.username, one.email, names[one.username]),
                mode=EDX_ENROLLMENT_AUDIT_MODE
                if one.username in audit
                else EDX_ENROLLMENT_VERIFIED_MODE,
                passed=one.passed is True,
                has_grade=one.computable,
            )
            for one in course
        ),
    )


def _require_same(what: str, there: Iterable[str], here: Iterable[str]) -> None:
    different = set(there) ^ set(here)
    if different:
        raise DemoFailed(
            f"{OPENEDX_FILE.name} and {CATALOGUE_FILE.name} differ in {what}: {sorted(different)}."
        )
