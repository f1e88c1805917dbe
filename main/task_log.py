"""One line in the log for each task, and the ids that lead from it to what caused it."""

import logging
import time
from typing import Any, Final

from celery import signals
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

log = logging.getLogger(__name__)

# What travels with a task through the broker, in a header of this name.
IDS: Final = ("request_id", "command_id", "parent_task_id")
HEADER: Final = "log_ids"


def connect() -> None:
    """Listen to Celery from now on, in a worker and elsewhere.

    Also to tasks that run in their caller's process; what was bound there is bound again afterwards.
    """
    signals.before_task_publish.connect(_send_ids)
    signals.after_task_publish.connect(_tell_sending)
    signals.task_prerun.connect(_begin)
    signals.task_postrun.connect(_end)
    signals.task_retry.connect(_tell_retry)
    signals.task_success.connect(_tell_success)
    signals.task_failure.connect(_tell_failure)
    signals.task_revoked.connect(_tell_revocation)
    signals.task_unknown.connect(_tell_unknown)
    signals.task_rejected.connect(_tell_rejection)


def _send_ids(headers: dict[str, Any], **_more: Any) -> None:
    headers[HEADER] = _ids_for_a_task()


def _tell_sending(headers: dict[str, Any], routing_key: str, **_more: Any) -> None:
    child = {"child_task_id": headers["id"], "child_task_name": headers["task"]}
    log.debug("task_enqueued", extra={**child, "routing_key": routing_key})


def _begin(task_id: str, task: Any, **_more: Any) -> None:
    """Bind the ids of a task that begins, and of what caused it."""
    request = task.request
    ids = _ids_for_a_task() if request.is_eager else _only_ids(getattr(request, HEADER, None))
    request.log_before = get_contextvars()
    clear_contextvars()
    bind_contextvars(**ids, task=task.name, task_id=task_id)
    request.log_started_at = time.monotonic()


def _end(task: Any, **_more: Any) -> None:
    """Bind what was bound before."""
    clear_contextvars()
    bind_contextvars(**getattr(task.request, "log_before", {}))


def _tell_retry(reason: object, **_more: Any) -> None:
    # A sweep that finds no place comes again, and that is no news.
    log.debug("task_retrying", extra={"error": type(getattr(reason, "exc", reason)).__name__})


def _tell_success(sender: Any, **_more: Any) -> None:
    log.info("task_succeeded", extra=_duration(sender))


def _tell_failure(task_id: str, exception: BaseException, sender: Any = None, **_more: Any) -> None:
    """Log that a task failed, by a process of a worker or with it."""
    ids = {"task": getattr(sender, "name", None), "task_id": task_id}
    log.error("task_failed", exc_info=exception, extra={**ids, **_duration(sender)})


def _tell_revocation(request: Any, expired: object = None, **_more: Any) -> None:
    told = {"task": request.task, "task_id": request.id, "expired": expired}
    log.warning("task_revoked", extra=told)


def _tell_unknown(name: str, id: str, **_more: Any) -> None:  # noqa: A002 - as Celery calls it
    log.error("task_not_found", extra={"task": name, "task_id": id})


def _tell_rejection(message: Any, **_more: Any) -> None:
    log.error("task_rejected", extra={"task_id": message.properties.get("correlation_id")})


def _ids_for_a_task() -> dict[str, Any]:
    """Return the ids for a task that is sent from here."""
    bound = get_contextvars()
    if "task_id" in bound:
        bound = {**bound, "parent_task_id": bound["task_id"]}
    return _only_ids(bound)


def _only_ids(sent: object) -> dict[str, Any]:
    """Return those of IDS in what was sent, which can be anything."""
    return {name: sent[name] for name in IDS if name in sent} if isinstance(sent, dict) else {}


def _duration(task: Any) -> dict[str, int]:
    started_at = getattr(getattr(task, "request", None), "log_started_at", None)
    if started_at is None:
        return {}
    return {"duration_ms": round(1000 * (time.monotonic() - started_at))}
