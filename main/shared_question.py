"""Asking what may never answer, such as a database on a machine that stands still."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import connections

Answer = TypeVar("Answer")


class SharedQuestion(Generic[Answer]):
    """A question that is under way once at most: callers that ask meanwhile get the same answer.

    So one that hangs holds one thread and one connection, however often it is asked.
    """

    def __init__(self, ask: Callable[[], Answer]) -> None:
        """Take the question; it is asked in a thread of its own, and may use the database there."""
        self._ask = ask
        self._lock = threading.Lock()
        self._under_way: Future[Answer] | None = None

    def begin(self) -> "Future[Answer]":
        """Return the answer as it will be; how long to wait for it is up to the caller.

        Raises RuntimeError if the machine has no thread left.
        """
        with self._lock:
            if self._under_way is None or self._under_way.done():
                future: Future[Answer] = Future()
                # A daemon: the process can exit without waiting for it.
                threading.Thread(
                    target=self._answer, args=[future], name="question", daemon=True
                ).start()
                # Not before: if the machine has no thread left, the next one asks again.
                self._under_way = future
            return self._under_way

    def _answer(self, future: "Future[Answer]") -> None:
        try:
            try:
                answer = self._ask()
            finally:
                # The thread's own: nothing else would give them back.
                connections.close_all()
        except BaseException as error:  # noqa: BLE001 - it is raised to the callers
            future.set_exception(error)
        else:
            future.set_result(answer)
