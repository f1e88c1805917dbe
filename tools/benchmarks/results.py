"""What was measured, before anybody judges it or writes it down."""

from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from tools.benchmarks.replies import Replies


class Contender(StrEnum):
    """What works through the grades of Open edX."""

    SWEEP = "the sweep"
    WORKERS = "the sweep, 4 Celery workers"
    PER_LEARNER = "(a) learner by learner"
    BARE = "(b) bare fetching"


class Pass(StrEnum):
    """What there is in the database at the start."""

    FIRST = "first"
    SECOND = "second"
    #: The bare fetching knows no difference.
    ANY = "-"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is swept: so many learners in each of so many runs."""

    learners: int
    runs: int = 1
    page_size: int = 100

    @property
    def total(self) -> int:
        """How many learners there are."""
        return self.learners * self.runs

    @property
    def pages(self) -> int:
        """How many questions it takes."""
        return self.runs * -(-self.learners // self.page_size)

    def __str__(self) -> str:
        return f"{self.runs} runs of {self.learners}" if self.runs > 1 else f"{self.learners:,}"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a time was taken of. The delay is Open edX's for each page, in milliseconds."""

    scene: Scene
    delay: int
    contender: Contender
    number: Pass


@dataclass(slots=True)
class Timings:
    """The repeats of one measurement."""

    seconds: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)

    @property
    def typical_seconds(self) -> float:
        """The median."""
        return median(self.seconds)

    @property
    def typical_memory(self) -> float:
        """The median of the peaks."""
        return median(self.memory_mib)


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison of rows: of which sweep, with what, and whether they were equal."""

    name: str
    is_equal: bool


@dataclass(slots=True)
class SweepResults:
    """All of the sweeps."""

    timings: dict[Subject, Timings] = field(default_factory=dict)
    #: Of those that were counted.
    statements: dict[Subject, int] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    #: Learners a second that the simulated Open edX can serve, on pages.
    limit: float = 0.0

    def typical(self, subject: Subject) -> float:
        """Return the median of the seconds."""
        return self.timings[subject].typical_seconds


@dataclass(frozen=True, slots=True)
class Situation:
    """When an event arrives. The delay is Open edX's, in milliseconds."""

    is_background: bool
    delay: int
    connections: int
    #: Whether the learner has the certificate already.
    exists: bool

    def __str__(self) -> str:
        mode = "background" if self.is_background else "default"
        return f"{mode}, {self.delay} ms, {self.reply[1]}, {self.connections} at once"

    @property
    def asks_openedx(self) -> bool:
        """Whether the sender waits for Open edX."""
        return not self.is_background and not self.exists

    @property
    def reply(self) -> tuple[int, str]:
        """The status and the word that must come back."""
        if self.exists:
            return 200, "exists"
        return (202, "deferred") if self.is_background else (200, "created")

    @property
    def is_promised(self) -> bool:
        """Whether a promise is about it."""
        return not (self.is_background or self.delay) and self.connections == 1

    @property
    def rounds(self) -> int:
        """How many there are in a repeat: short ones by turns, if sites are compared."""
        return 4 if self.is_promised else 1

    @property
    def events(self) -> int:
        """How many are sent in a round, which takes a second or two."""
        if self.asks_openedx and self.delay:
            return self.connections * max(1, 2000 // self.delay)
        if self.is_promised:
            return 50
        return 100 if self.connections == 1 else 160


@dataclass(slots=True)
class Rounds:
    """The replies in one situation: of all rounds together, and what is typical of a round."""

    replies: Replies = field(default_factory=Replies)
    rates: list[float] = field(default_factory=list)
    halves: list[float] = field(default_factory=list)

    def add(self, replies: Replies, seconds: float) -> None:
        """Take in a round."""
        self.replies.seconds += replies.seconds
        self.replies.statuses += replies.statuses
        self.rates.append(len(replies.seconds) / seconds)
        self.halves.append(replies.percentile(50))

    @property
    def typical_rate(self) -> float:
        """Requests a second: the median of the rounds."""
        return median(self.rates)

    @property
    def typical_half(self) -> float:
        """The median of the rounds' p50, in milliseconds."""
        return median(self.halves)


@dataclass(slots=True)
class WebhookResults:
    """All of the webhook, by how many users the database has."""

    rounds: dict[Situation, dict[int, Rounds]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
