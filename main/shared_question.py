"""Asking what may never answer, such as a database whose machine stands still."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import connections

Answer = TypeVar("Answer")


class SharedQuestion(Generic[Answer]):
    """A question that is under way once at most: whoever asks meanwhile gets the same answer.

    So one that hangs holds one thread and one connection, however often it is asked.
    """

    def __init__(self, ask: Callable[[], Answer]) -> None:
        """Take the question; it is asked in a thread of its own, where it may use the database."""
        self._ask = ask
        self._lock = threading.Lock()
        self._under_way: Future[Answer] | None = None

    def begin(self) -> "Future[Answer]":
        """Return the answer as it will be; how long to wait for it is up to the caller.

        Raises RuntimeError where the machine has no thread left.
        """
        with self._lock:
            if self._under_way is None or self._under_way.done():
                future: Future[Answer] = Future()
                # A daemon: whoever wants to exit does not wait for it.
                threading.Thread(
                    target=self._answer, args=[future], name="question", daemon=True
                ).start()
                # Not before: where the machine has no thread left, the next one asks anew.
                self._under_way = future
            return self._under_way

    def _answer(self, future: "Future[Answer]") -> None:
        try:
            try:
                answer = self._ask()
            finally:
                # The thread's own: nobody else would give them back.
                connections.close_all()
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is taken
            future.set_exception(error)
        else:
            future.set_result(answer)
