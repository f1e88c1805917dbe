"""An end to a question, whatever the other side does.

The time-outs of `requests` start again with every byte and with every try, and the look-up of a
name has none. So the question is asked in a thread, and its caller waits no longer than it may.
"""

import threading
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from typing import TypeVar

from openedx_certificates.wire.exceptions import CannotAsk, OpenEdxTimeout

Answer = TypeVar("Answer")


class Deadline:
    """The end of the time for one question, its tries and waits included."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """What is left; 0.0 when the time is up."""
        return max(0.0, self._ends - time.monotonic())

    def raise_if_passed(self) -> None:
        """Raise OpenEdxTimeout if the time is up."""
        if self.seconds_left == 0.0:
            raise OpenEdxTimeout("Open edX did not answer in time.")


def ask_in_time(ask: Callable[[Deadline], Answer], *, seconds: float) -> Answer:
    """Return what `ask` returns, and raise what it raises, if that comes within so many seconds.

    Raises OpenEdxTimeout if it does not: `ask` is left to itself, and should end by
    `Deadline.raise_if_passed` as soon as it can. CannotAsk if no thread can be started.
    """
    deadline = Deadline(seconds)
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(ask(deadline))
        except BaseException as error:  # noqa: BLE001 - it is raised to the caller
            answer.set_exception(error)

    try:
        # A daemon: a question that hangs must not keep the process from ending.
        threading.Thread(target=run, name="question", daemon=True).start()
    except RuntimeError as error:
        raise CannotAsk("Open edX was not asked: the machine has no thread left.") from error
    if not futures.wait([answer], deadline.seconds_left).done:
        raise OpenEdxTimeout("Open edX did not answer in time.")
    return answer.result()
