"""Programs as processes of their own, for the demo, chaos, the benchmarks and the tests."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS: Final = 60
LOOK_SECONDS: Final = 0.05
# Granian waits for requests it has taken; then the group is killed.
STOP_SECONDS: Final = 10.0


def wait_until(condition: Callable[[], object], explain: Callable[[], str] = str) -> None:
    """Return once the condition holds; raise TimeoutError with the explanation if it never does.

    For what other processes do: there is nothing to be told by.
    """
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"It did not happen in {PATIENCE_SECONDS} s. {explain()}")
        time.sleep(LOOK_SECONDS)


def find_free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Program:
    """A process at the head of a process group of its own, and the file its words go to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def words(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it and all it started by SIGKILL, as a machine does that loses its power."""
        if self.is_running:
            self.signal_group(signal.SIGKILL)
            self.process.wait()

    def tell_to_end(self) -> None:
        """Send SIGTERM, and do not wait for what it does."""
        self.process.terminate()

    def wait(self) -> int:
        """Return the status it ends with."""
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and to all it started, as long as its number is its own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def start_program(
    name: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    log: Path,
    **streams: Any,
) -> Program:
    """Start a program in the checkout.

    Args:
        name: for people.
        command: with its arguments.
        environment: the whole of it.
        log: where its output goes, but for the streams that are given.
        **streams: as Popen takes them.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            **{"stdout": output, "stderr": output, **streams},
            env=dict(environment),
            cwd=CHECKOUT,
            # Ctrl-C on the terminal is for the starter alone, which ends its programs in order.
            process_group=0,
        )
    return Program(name, process, log)


def end_programs(programs: Sequence[Program]) -> None:
    """End them in order, the last one first, and kill what does not end in time."""
    for program in reversed(programs):
        program.signal_group(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for program in programs:
        with suppress(subprocess.TimeoutExpired):
            program.process.wait(max(0.0, deadline - time.monotonic()))
        # Whatever it started and did not end itself.
        program.signal_group(signal.SIGKILL)
        program.process.wait()
