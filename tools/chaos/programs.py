"""The programs of the site: started, killed as a kernel would, and started again."""

import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tools.chaos.plan import BEAT, CLOCKS_AHEAD, WATCH, WEBS, WORKER, Kill, Plan
from tools.demo.children import Children, failure_of
from tools.demo.site import GRANIAN, MANAGE
from tools.demo.surroundings import BINARIES, HOST
from tools.processes import Program

# As systemd would.
RESTART_AFTER_SECONDS: Final = 0.3
UNEXPECTED_ENDS_MAX: Final = 20
# What each says when it is up; a worker may have to wait for the broker.
_UP: Final = {
    **dict.fromkeys(WEBS, re.compile(rb"Started worker-.*Started worker-", re.DOTALL)),
    WORKER: re.compile(rb" ready\.|Cannot connect"),
    BEAT: re.compile(rb"beat: Starting"),
    WATCH: re.compile(rb"Watching for"),
}
# Has each Python of a program set its clock forward.
_CLOCK_AHEAD: Final = Path(__file__).parent / "clock_ahead"
_CELERY: Final[tuple[str | Path, ...]] = (sys.executable, "-m", "celery", "--app", "main.celery")


@dataclass(slots=True)
class _Program:
    name: str
    command: tuple[str | Path, ...]
    starts: int = 0
    child: Program | None = None
    is_up: bool = False
    start_again_at: float = 0.0
    is_expected_to_end: bool = False
    unexpected_ends: int = 0


class Programs:
    """The web servers, the worker and beat. Belongs to the main thread."""

    def __init__(
        self,
        children: Children,
        environment: Mapping[str, str],
        plan: Plan,
        port: int,
        folder: Path,
    ) -> None:
        self._children = children
        self._environment = environment
        self._modes = plan.modes
        self._folder = folder
        self.kills: Counter[str] = Counter()
        granian, *options = GRANIAN.split()
        web: tuple[str | Path, ...] = (
            BINARIES / granian,
            *options,
            "--host",
            HOST,
            "--port",
            str(port),
        )
        # Two on one port, as for the time of an update: the kernel gives each its part.
        programs = [_Program(name, web) for name in WEBS]
        programs.append(_Program(WORKER, (*_CELERY, "worker", "--concurrency", "2")))
        schedule = ("--schedule", str(folder / "beat-schedule"))
        programs.append(_Program(BEAT, (*_CELERY, "beat", *schedule)))
        if plan.options.is_broker_down:
            programs.append(_Program(WATCH, (*MANAGE, "process_certificate_requests", "--watch")))
        self._programs = {program.name: program for program in programs}

    def start(self) -> list[Program]:
        """Start them all; return the web servers."""
        for program in self._programs.values():
            self._start(program)
        return [child for name in WEBS if (child := self._programs[name].child)]

    def kill(self, kill: Kill) -> bool:
        """Kill what is meant; return False if it isn't up at this moment."""
        program = self._programs[kill.program]
        if program.child is None or not self._is_up(program):
            return False
        if kill.spares_the_last and kill.program in WEBS:
            others = (self._programs[name] for name in WEBS if name != kill.program)
            if not all(map(self._is_up, others)):
                return False
        pid = program.child.process.pid
        if kill.child is None:
            program.is_expected_to_end = True
            os.killpg(pid, signal.SIGKILL)
        else:
            # Granian and Celery replace a child that dies.
            with suppress(psutil.NoSuchProcess):
                victims = psutil.Process(pid).children(recursive=True)
                if not victims:
                    # Not yet up.
                    return False
                victims[int(kill.child * len(victims))].kill()
        self.kills[program.name] += 1
        return True

    def _is_up(self, program: _Program) -> bool:
        """Whether the program has begun its work, and goes on: killed sooner, it could lose nothing."""
        child = program.child
        if child is None:
            return False
        if not program.is_up:
            program.is_up = _UP[program.name].search(child.log.read_bytes()) is not None
        return program.is_up and not _has_ended(child)

    def supervise(self) -> None:
        """Start again what has ended. Raises DemoFailed if one can't stay up."""
        now = time.monotonic()
        for program in self._programs.values():
            if program.child is None:
                if now >= program.start_again_at:
                    self._start(program)
                continue
            if _has_ended(program.child):
                self._bury(program, program.child)

    def _bury(self, program: _Program, child: Program) -> None:
        """Take the rest of a program away with its main process, as systemd does."""
        # The number is still the program's: the main process was not waited for.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        self._children.finish(child)
        program.child = None
        program.start_again_at = time.monotonic() + RESTART_AFTER_SECONDS
        if not program.is_expected_to_end:
            program.unexpected_ends += 1
            if program.unexpected_ends > UNEXPECTED_ENDS_MAX:
                raise failure_of(child, "keeps ending by itself")

    def _start(self, program: _Program) -> None:
        environment = dict(self._environment)
        if modes := self._modes.get(program.name):
            is_async = modes[program.starts % len(modes)]
            environment["CERTIFICATE_WEBHOOK_ASYNC"] = str(is_async)
        if ahead := CLOCKS_AHEAD.get(program.name):
            environment |= {"PYTHONPATH": str(_CLOCK_AHEAD), "CLOCK_AHEAD_SECONDS": str(ahead)}
        program.starts += 1
        log = self._folder / f"{program.name}-{program.starts:03}.log"
        program.child = self._children.start(program.name, program.command, environment, log)
        program.is_expected_to_end = program.is_up = False

    @property
    def unexpected_ends(self) -> dict[str, int]:
        """How often each program ended by itself, if it did."""
        ends = {name: program.unexpected_ends for name, program in self._programs.items()}
        return {name: number for name, number in ends.items() if number}


def _has_ended(child: Program) -> bool:
    """Whether the main process has ended. It is left for `_bury` to be waited for."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.process.pid, options) is not None
