"""The cast: course runs, learners, and what becomes of each."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Story(StrEnum):
    """What happens to a learner in a run."""

    EARNED = "passed, verified"
    LATE = "passes after the event"
    NO_USERNAME = "passed, verified, username comes later"
    REVOKED_MEANWHILE = "passed, verified, revoked meanwhile"
    CERTIFIED = "certified before"
    REVOKED = "revoked before"
    AUDIT = "passed, audit"
    FAILED = "not passed, verified"
    UNTOLD = "passed, verified, no event, not due"


_PERCENT: Final = {
    Story.EARNED: 45,
    Story.LATE: 10,
    Story.NO_USERNAME: 4,
    Story.REVOKED_MEANWHILE: 4,
    Story.CERTIFIED: 6,
    Story.REVOKED: 3,
    Story.AUDIT: 10,
    Story.FAILED: 13,
    Story.UNTOLD: 5,
}
# A learner with one of these may take a second run; the other stories are about the whole person.
_OF_ONE_RUN: Final = (Story.EARNED, Story.AUDIT, Story.FAILED)
SECOND_RUN_EACH: Final = 10


@dataclass(frozen=True, slots=True)
class Run:
    """A course run."""

    course_id: str
    is_self_paced: bool
    #: Days from today until certificates are issued; None: not said yet.
    certificate_in_days: int | None

    @property
    def is_due(self) -> bool:
        """Whether a sweep issues its certificates."""
        days = self.certificate_in_days
        return self.is_self_paced or (days is not None and days < 0)


RUNS: Final = (
    Run("course-v1:MITx+Chaos.1x+self", is_self_paced=True, certificate_in_days=None),
    Run("course-v1:MITx+Chaos.2x+self", is_self_paced=True, certificate_in_days=None),
    Run("course-v1:MITx+Chaos.3x+due", is_self_paced=False, certificate_in_days=-3),
    Run("course-v1:MITx+Chaos.4x+later", is_self_paced=False, certificate_in_days=20),
    Run("course-v1:MITx+Chaos.5x+never", is_self_paced=False, certificate_in_days=None),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One learner in one run."""

    learner: int
    run: Run
    story: Story
    #: What Open edX says at first.
    passed: bool
    percent: float

    @property
    def username(self) -> str:
        """The learner's name here."""
        return f"learner-{self.learner:04}"

    @property
    def edx_username(self) -> str:
        """The learner's name on Open edX."""
        return f"edx-{self.learner:04}"

    @property
    def email(self) -> str:
        """The learner's address."""
        return f"{self.username}@example.com"

    @property
    def is_verified(self) -> bool:
        """Whether the enrollment is paid."""
        return self.story is not Story.AUDIT

    @property
    def key(self) -> tuple[str, str]:
        """What names it in the database."""
        return self.username, self.run.course_id


def cast(rng: random.Random, learners: int) -> list[Case]:
    """Return the cases: each story has its share, and at least one learner."""
    stories = [
        story
        for story, percent in _PERCENT.items()
        for _ in range(max(1, round(learners * percent / 100)))
    ][:learners]
    stories += [Story.EARNED] * (learners - len(stories))
    rng.shuffle(stories)
    cases = []
    for number, story in enumerate(stories):
        run = rng.choice([run for run in RUNS if not (story is Story.UNTOLD and run.is_due)])
        cases.append(_case(rng, number, run, story))
        if story in _OF_ONE_RUN and number % SECOND_RUN_EACH == 0:
            second = rng.choice([other for other in RUNS if other != run])
            cases.append(_case(rng, number, second, rng.choice(_OF_ONE_RUN)))
    return cases


def _case(rng: random.Random, number: int, run: Run, story: Story) -> Case:
    passed = story not in (Story.FAILED, Story.LATE)
    # A learner that has not begun has 0.0, which is also the grade that takes a certificate away.
    percent = round(rng.uniform(0.6, 1.0), 2) if passed else rng.choice([0.0, 0.4])
    return Case(number, run, story, passed, percent)
