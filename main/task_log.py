"""One line in the log for each task, and the ids that lead from it to what caused it."""

import logging
import time
from typing import Any, Final

from celery.signals import (
    after_task_publish,
    before_task_publish,
    task_failure,
    task_postrun,
    task_prerun,
    task_rejected,
    task_retry,
    task_revoked,
    task_success,
    task_unknown,
)
from django_structlog.celery.receivers import CeleryReceiver
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

log = logging.getLogger(__name__)

# What travels with a task through the broker.
IDS: Final = ("request_id", "command_id", "parent_task_id")


class TaskLog(CeleryReceiver):
    """django-structlog's lines of tasks, by ids and types: its own have the text of an exception.

    Also of tasks that run where they are called; what was bound there is bound again afterwards.
    """

    def connect(self) -> None:
        """Listen to Celery from now on, in a worker and elsewhere."""
        before_task_publish.connect(self.receiver_before_task_publish)
        after_task_publish.connect(self.receiver_after_task_publish)
        task_prerun.connect(self.begin)
        task_postrun.connect(self.end)
        task_retry.connect(self.tell_retry)
        task_success.connect(self.receiver_task_success)
        task_failure.connect(self.tell_failure)
        task_revoked.connect(self.receiver_task_revoked)
        task_unknown.connect(self.receiver_task_unknown)
        task_rejected.connect(self.receiver_task_rejected)

    def get_task_context(self) -> dict[str, Any]:
        """Return the ids that a task gets which is sent from here."""
        return _ids_of(super().get_task_context())

    def begin(self, task_id: str, task: Any, **_more: Any) -> None:
        """Bind the ids of a task that begins, and of what caused it."""
        request = task.request
        sent = getattr(request, "__django_structlog__", {})
        context = self.get_task_context() if request.is_eager else _ids_of(sent)
        request.log_before = get_contextvars()
        clear_contextvars()
        bind_contextvars(**context, task=task.name, task_id=task_id)
        # By this name the duration is found.
        request._django_structlog_started_at = time.monotonic_ns()

    def end(self, task: Any, **_more: Any) -> None:
        """Bind what was bound before."""
        clear_contextvars()
        bind_contextvars(**getattr(task.request, "log_before", {}))

    def tell_retry(self, reason: object, **_more: Any) -> None:
        """Log that a task comes again: a sweep that finds no place does, and that is no news."""
        log.debug("task_retrying", extra={"error": type(getattr(reason, "exc", reason)).__name__})

    def tell_failure(
        self, task_id: str, exception: BaseException, sender: Any = None, **_more: Any
    ) -> None:
        """Log that a task failed, by a process of a worker or with it."""
        fields: dict[str, Any] = {"task": getattr(sender, "name", None), "task_id": task_id}
        self.add_duration_ms(sender, fields)
        log.error("task_failed", exc_info=exception, extra=fields)


def _ids_of(context: dict[str, Any]) -> dict[str, Any]:
    return {name: context[name] for name in IDS if name in context}
