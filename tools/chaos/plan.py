"""The plan of events and faults, made up front from the seed. The operating system's timing is its own."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tools.chaos.cast import RUNS, Case, Story, cast

WEBS: Final = ("web-1", "web-2")
WORKER: Final = "worker"
BEAT: Final = "beat"
# Does worker's and beat's work if there is no broker.
WATCH: Final = "watch"
_TARGETS: Final = {"web-1": 25, "web-2": 25, WORKER: 50}
# Beat dies besides, once for so many of the others.
_BEAT_DIES_ONCE_IN: Final = 6
# Were both servers down half of the time, hardly an event would arrive; now and then they must be.
SPARED: Final = 0.75
_MODES: Final = 400
#: By how many seconds the clocks of some programs are ahead of the others'.
CLOCKS_AHEAD: Final = {"web-2": 3600.0, WORKER: 15.0}
_FOR_ALL: Final = "all"
_FAULTS: Final = (
    *("500", "503:1", "hang:6", "close", "truncated", "malformed", "html", "empty-list"),
    *("401", "403", "404", "429:1", "drip-body:60", "delay:700"),
)
# Below this there is no time for the pause that the last outage brings.
LONG_ENOUGH_FOR_A_PAUSE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. Times are in seconds."""

    seed: int
    learners: int
    #: Of web servers and workers; beat is killed now and then besides.
    kills: int
    seconds: float
    #: Whether the webhooks leave the question to a worker; None: half and half.
    is_async: bool | None = None
    #: Whether the broker is down from beginning to end.
    is_broker_down: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """An event, told to us as Open edX's plugin does."""

    at: float
    case: Case
    #: Seconds from then until Open edX has the grade; None if it has it already.
    passes_after: float | None = None

    def __str__(self) -> str:
        late = "" if self.passes_after is None else f", passes {self.passes_after:.1f} s later"
        return f"event of {self.case.username} in {self.case.run.course_id}{late}"


@dataclass(frozen=True, slots=True)
class Faults:
    """How Open edX fails from now on: each fault, which answers it meets, and how many (None: all)."""

    faults: tuple[tuple[str, str, int | None], ...]

    def __str__(self) -> str:
        words = ", ".join(
            f"{word} on {place}{'' if count is None else f' {count} times'}"
            for word, place, count in self.faults
        )
        return f"Open edX: {words or 'well'}"


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL for a program, or for one of its processes."""

    program: str
    #: Which of its processes, as a part of their number; None: all of them.
    child: float | None
    #: Whether it leaves a web server alone while the other one is down.
    spares_the_last: bool = True

    def __str__(self) -> str:
        whom = "all of it" if self.child is None else "one process"
        return f"SIGKILL {self.program}, {whom}{'' if self.spares_the_last else ', be it the last'}"


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker goes away, or comes back empty."""

    is_up: bool

    def __str__(self) -> str:
        return f"broker {'up, empty' if self.is_up else 'down'}"


@dataclass(frozen=True, slots=True)
class RestartPostgres:
    """PostgreSQL is restarted in immediate mode, under load."""

    def __str__(self) -> str:
        return "PostgreSQL restarts"


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """PostgreSQL takes no writes, as in a failover, or takes them again."""

    is_on: bool

    def __str__(self) -> str:
        return f"PostgreSQL {'takes no writes' if self.is_on else 'takes writes again'}"


@dataclass(frozen=True, slots=True)
class Silence:
    """The packets of all connections to PostgreSQL vanish from now on; new connections are taken."""

    def __str__(self) -> str:
        return "connections to PostgreSQL go silent"


@dataclass(frozen=True, slots=True)
class Command:
    """An administrator's `manage.py manage_certificates`."""

    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"manage_certificates {' '.join(self.arguments)}"


@dataclass(frozen=True, slots=True)
class FillIn:
    """A learner's username on Open edX becomes known."""

    case: Case

    def __str__(self) -> str:
        return f"username of {self.case.username} is filled in"


Act = Faults | Kill | Broker | RestartPostgres | ReadOnly | Silence | Command | FillIn


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it, each list in the order of its times."""

    options: Options
    cases: tuple[Case, ...]
    sendings: tuple[Sending, ...]
    acts: tuple[tuple[float, Act], ...]
    #: For each web server, start after start, whether a worker is left the question.
    modes: dict[str, tuple[bool, ...]]

    def lines(self) -> Iterator[str]:
        """Yield it as text."""
        yield f"{len(self.cases)} cases of {self.options.learners} learners:"
        for story, count in Counter(case.story for case in self.cases).items():
            yield f"  {count:>4}  {story}"
        for name, modes in self.modes.items():
            words = ("async" if mode else "default" for mode in modes[:12])
            yield f"{name}, start by start: {', '.join(words)}, ..."
        timed: list[tuple[float, object]] = [*((one.at, one) for one in self.sendings), *self.acts]
        for at, what in sorted(timed, key=lambda pair: pair[0]):
            yield f"{at:8.2f}  {what}"


def make_plan(options: Options) -> Plan:
    """Return the plan of a seed; the same options give the same plan."""
    rng = random.Random(options.seed)  # noqa: S311 - guards nothing
    cases = cast(rng, options.learners)
    acts: list[tuple[float, Act]] = []
    sendings: list[Sending] = []
    for case in cases:
        for act in _tell(rng, case, options.seconds):
            if isinstance(act, Sending):
                sendings.append(act)
            else:
                acts.append(act)
    acts += _fail(rng, cases, options.seconds)
    acts += _kill(rng, options)
    acts += _sweep(rng, options.seconds)
    acts.append((options.seconds * rng.uniform(0.5, 0.6), RestartPostgres()))
    read_only = options.seconds * rng.uniform(0.62, 0.66)
    acts.append((read_only, ReadOnly(is_on=True)))
    acts.append((read_only + options.seconds * 0.03, ReadOnly(is_on=False)))
    acts.append((options.seconds * rng.uniform(0.74, 0.78), Silence()))
    if not options.is_broker_down:
        begins = options.seconds * rng.uniform(0.2, 0.3)
        acts.append((begins, Broker(is_up=False)))
        acts.append((begins + options.seconds * 0.2, Broker(is_up=True)))
    return Plan(
        options,
        tuple(cases),
        tuple(sorted(sendings, key=lambda one: one.at)),
        tuple(sorted(acts, key=lambda pair: pair[0])),
        {name: _modes(rng, options.is_async) for name in WEBS},
    )


def _tell(rng: random.Random, case: Case, seconds: float) -> Iterator[Sending | tuple[float, Act]]:
    """Yield the events of a case, some of them twice at once or later, and what else befalls it."""
    if case.story is Story.UNTOLD:
        return
    end = 0.4 if case.story in (Story.NO_USERNAME, Story.REVOKED_MEANWHILE) else 0.8
    first = seconds * rng.uniform(0.0, end)
    if case.run == RUNS[2] and case.story is not Story.REVOKED_MEANWHILE:
        # The end of an exam: all at once.
        first = min(first, seconds * 0.35 + rng.uniform(0.0, 1.0))
        first = max(first, seconds * 0.3) if case.story is not Story.NO_USERNAME else first
    passes_after = rng.uniform(0.2, 3.0) if case.story is Story.LATE else None
    yield Sending(first, case, passes_after)
    if rng.random() < 0.2:
        yield Sending(first, case)
    if rng.random() < 0.25:
        yield Sending(min(first + seconds * rng.uniform(0.02, 0.4), seconds * 0.95), case)
    if case.story is Story.NO_USERNAME:
        filled_in = seconds * rng.uniform(0.45, 0.7)
        yield filled_in, FillIn(case)
        if rng.random() < 0.5:
            yield Sending(filled_in + seconds * 0.05, case)
    if case.story is Story.REVOKED_MEANWHILE:
        revoked = seconds * rng.uniform(0.5, 0.8)
        words = ("--revoke", "--user", case.username, "--run", case.run.course_id)
        yield revoked, Command(words)
        yield Sending(revoked + seconds * rng.uniform(0.02, 0.15), case)


def _fail(rng: random.Random, cases: list[Case], seconds: float) -> Iterator[tuple[float, Faults]]:
    """Yield the faults of Open edX, good times between them, and in the end a whole outage."""
    at = seconds * 0.03
    scale = min(1.0, seconds / 60)
    while at < seconds * 0.78:
        yield at, Faults(tuple(_fault(rng, cases) for _ in range(rng.randint(2, 6))))
        at += rng.uniform(1.5, 6.0) * scale
        yield at, Faults(())
        at += rng.uniform(1.5, 5.0) * scale
    if seconds >= LONG_ENOUGH_FOR_A_PAUSE:
        # Its end brings forward what a refused token or a missing username would put off for long.
        at = max(at, seconds * 0.82)
        # A page of maintenance that asks for an hour's patience; it is over long before.
        yield at, Faults((("503:3600", _FOR_ALL, None),))
        yield seconds * 0.93, Faults(())


def _fault(rng: random.Random, cases: list[Case]) -> tuple[str, str, int | None]:
    learner = rng.choice(cases).edx_username
    places = [_FOR_ALL, "pages", f"username:{learner}"]
    (place,) = rng.choices(places, weights=[60, 20, 20])
    # One after the other, so that a single one does not hide the rest.
    count = rng.choice([1, 2, 4, 8]) if place == _FOR_ALL else None
    return rng.choice(_FAULTS), place, count


def _kill(rng: random.Random, options: Options) -> Iterator[tuple[float, Kill]]:
    begin, end = options.seconds * 0.05, options.seconds * 0.95
    step = (end - begin) / max(options.kills, 1)
    for number in range(options.kills):
        (program,) = rng.choices(list(_TARGETS), weights=list(_TARGETS.values()))
        if program == WORKER and options.is_broker_down:
            program = WATCH
        # The others have one process.
        child = rng.random() if program != WATCH and rng.random() < 0.5 else None
        spares = rng.random() < SPARED
        yield begin + step * (number + rng.random()), Kill(program, child, spares)
    for _ in range(options.kills // _BEAT_DIES_ONCE_IN):
        yield rng.uniform(begin, end), Kill(BEAT, None)


def _sweep(rng: random.Random, seconds: float) -> Iterator[tuple[float, Command]]:
    number = max(1, min(4, int(seconds / 20)))
    for each in range(number):
        at = seconds * (each + rng.random()) / number * 0.95
        # One of all runs early on would leave little to the events.
        one_run = ("--run", rng.choice(RUNS).course_id) if each < number - 1 else ()
        yield at, Command(("--create", "--no-progress", *one_run))


def _modes(rng: random.Random, is_async: bool | None) -> tuple[bool, ...]:
    if is_async is not None:
        return (is_async,) * _MODES
    # In pairs, so that any number of starts is half and half.
    return tuple(mode for _ in range(_MODES // 2) for mode in rng.sample([True, False], 2))
