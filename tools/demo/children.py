"""The programs the demo starts, each in a process group of its own, and ended in every case."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import requests

from tools.demo.failure import DemoFailed
from tools.processes import LOOK_SECONDS, Program, end_programs, start_program

START_SECONDS = 30.0
ANSWER_SECONDS = 5.0
LOG_TAIL_LINES = 15
REPEAT_SECONDS = 0.2
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal told us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interruption:
    """Turns the first signal that tells us to end into `Ended`.

    Never in the middle of a start, when a child would be running unknown; and again
    and again until the ending begins, because what is raised in a finalizer is lost.
    """

    def __init__(self) -> None:
        self._received = 0
        self._is_held = False
        self._is_ending = False
        self._print_unraisable = sys.unraisablehook

    def __enter__(self) -> Self:
        signal.signal(signal.SIGALRM, self._handle)
        # A signal can arrive in a finalizer; there Python prints the exception and drops it. It is
        # raised again soon, so there is nothing to tell.
        sys.unraisablehook = self._skip_ended
        for number in ENDING_SIGNALS:
            # nohup's wish is a caller's.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.begin_ending()

    def begin_ending(self) -> None:
        """Let no signal cut the ending short from now on. Repeatable."""
        self._is_ending = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = self._print_unraisable

    def raise_if_received(self) -> None:
        """Raise `Ended` if a signal has told us to end."""
        if self._received:
            raise Ended(self._received)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put a signal off to the end of the block."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        self.raise_if_received()

    def _skip_ended(self, unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, Ended):
            self._print_unraisable(unraisable)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            self._received = self._received or number
        if not self._is_ending:
            signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS)
            if not self._is_held:
                self.raise_if_received()


def failure_of(program: Program, what: str) -> DemoFailed:
    """Return the error for this program, with the end of its log."""
    tail = "\n".join(f"  {line}" for line in program.words.splitlines()[-LOG_TAIL_LINES:])
    return DemoFailed(f"{program.name} {what}. The end of {program.log}:\n{tail}")


class Children:
    """All that was started; what still runs at the end of the block is ended with its children."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._children: list[Program] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._interruption.begin_ending()
        end_programs(self._children)
        if kind is None:
            self._interruption.raise_if_received()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        log: Path,
        **streams: Any,
    ) -> Program:
        """Start a program; its output goes to the log but for the streams that are given."""
        with self._interruption.held():
            child = start_program(name, command, environment, log, **streams)
            self._children.append(child)
            return child

    def wait_until_it_answers(self, child: Program, url: str) -> None:
        """Return once the program answers HTTP; raise DemoFailed if it ends, or takes long."""
        deadline = time.monotonic() + START_SECONDS
        with requests.Session() as session:
            # No proxy between two programs of one machine.
            session.trust_env = False
            while True:
                answers = False
                with suppress(requests.RequestException):
                    session.get(url, timeout=ANSWER_SECONDS)
                    answers = True
                # An answer may also be another program's.
                if not child.is_running:
                    raise failure_of(child, f"ended with status {child.process.returncode}")
                if answers:
                    return
                if time.monotonic() > deadline:
                    raise failure_of(child, f"did not answer within {START_SECONDS:.0f} seconds")
                time.sleep(LOOK_SECONDS)

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        log: Path,
    ) -> bytes:
        """Run a program to its end and return its output; raise DemoFailed if it fails."""
        child = self.start(name, command, environment, log, stdout=subprocess.PIPE)
        output, _ = child.process.communicate()
        if self.finish(child) != 0:
            raise failure_of(child, f"ended with status {child.process.returncode}")
        return output

    def finish(self, child: Program) -> int:
        """Wait for the end of a program that ends by itself, and return its status."""
        status = child.process.wait()
        # Its number may be another program's from now on.
        self._children.remove(child)
        return status

    def end(self, child: Program) -> None:
        """End a program with its children while the others run on."""
        end_programs([child])
        # Its number may be another program's from now on.
        self._children.remove(child)
