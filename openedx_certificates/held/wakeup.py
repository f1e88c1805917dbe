"""Waking a worker: a hint that something is due, and no more. The request's row is the truth."""

import threading
from contextvars import Context, copy_context

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from openedx_certificates.logs import get_logger

log = get_logger(__name__)

TASK = "openedx_certificates.tasks.process_certificate_requests"
# Seconds after which a hint that no worker took is thrown away: so long that the worker's clock may be
# hours off. A hint too many costs a few statements.
EXPIRES_AFTER = 86_400


def wake_worker() -> None:
    """Have a worker look for what is due, once the caller's transaction is committed.

    Returns at once, whatever the broker does. Without a broker no worker
    is woken: `process_certificate_requests --watch` looks by itself.
    """
    if not settings.CELERY_TASK_ALWAYS_EAGER:
        transaction.on_commit(_bell.ring)


class _Bell:
    """Sends the hints from a thread of its own: a broker that hangs must hold up no webhook.

    Hints that come while one is being sent become one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung = threading.Event()
        self._thread: threading.Thread | None = None
        # Of the last caller: the log follows an event to the worker by what is bound there.
        self._context = Context()

    def ring(self) -> None:
        self._context = copy_context()
        self._rung.set()
        with self._lock:
            # Started on first use, and again in a process that was forked since.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._send, name="wake-up", daemon=True)
                self._thread.start()

    def _send(self) -> None:
        while self._rung.wait():
            self._rung.clear()
            # A copy, since a context can be entered by one thread at a time.
            self._context.copy().run(self._send_one)

    def _send_one(self) -> None:
        try:
            current_app.send_task(TASK, expires=EXPIRES_AFTER, retry=False)
        except (OperationalError, OSError) as error:
            log.warning(
                "no worker was woken; the periodic task will see the request",
                extra={"error": type(error).__name__},
            )


_bell = _Bell()
