"""Whether the site is alive, and ready for requests: for load balancers and monitoring.

Neither names an address, a version or an error's text: everybody may ask.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import wait
from http import HTTPStatus
from typing import Any, Final

from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from main.shared_question import SharedQuestion
from openedx_certificates.held.pause import get_pause
from openedx_certificates.held.queue import try_to_hold
from openedx_certificates.waiting.patience import patience_of

log = logging.getLogger(__name__)

# Seconds; a load balancer waits about five.
PATIENCE_SECONDS: Final = 3.0
# Of them, for the database: what hangs is over before the next one asks.
DATABASE_SECONDS: Final = 1.4
BROKER_PATIENCE_SECONDS: Final = 2
OK: Final = "ok"
NO_ANSWER: Final = "no answer"
# No worker reads from it.
_QUEUE: Final = "mitxonline.readiness"


def ask_broker() -> str:
    """Say whether it takes messages: one that is full, or a read-only replica, takes connections alone."""
    options = {
        "socket_connect_timeout": BROKER_PATIENCE_SECONDS,
        "socket_timeout": BROKER_PATIENCE_SECONDS,
    }
    with current_app.connection_for_write(
        connect_timeout=BROKER_PATIENCE_SECONDS, transport_options=options
    ) as broker:
        broker.connect()
        channel: Any = broker.default_channel
        try:
            # Declared, since RabbitMQ drops what it has no queue for.
            channel.queue_declare(queue=_QUEUE, durable=True, auto_delete=False)
            channel.basic_publish(channel.prepare_message(""), exchange="", routing_key=_QUEUE)
            channel.queue_purge(queue=_QUEUE)
        except broker.channel_errors:
            return "takes no messages"
    return OK


def ask_database() -> str:
    """Say whether an event could be held: it answers, takes writes, and has room for them."""
    try_to_hold()
    return OK


class Migrations:
    """All migrations of this release are applied; once they are, they are not looked for again."""

    def __init__(self) -> None:
        self._were_applied = False

    def look(self) -> str:
        """Say whether they are."""
        if not self._were_applied:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "not applied"
            self._were_applied = True
        return OK


def look_at_pause() -> str:
    """Say whether Open edX is asked as ever. If it isn't, events are held all the same."""
    pause = get_pause()
    if pause.since is not None:
        return f"paused since {pause.since:%Y-%m-%dT%H:%M:%SZ}"
    return f"failing, {pause.failures} in a row" if pause.failures else OK


class _SharedCheck:
    """A check, made once for all that ask in the same moment."""

    def __init__(
        self, look: Callable[[], str], *, is_needed: bool = True, silence: str = NO_ANSWER
    ) -> None:
        self._look = look
        #: Whether the site can't serve without.
        self.is_needed = is_needed
        #: What is said if the check came to nothing.
        self.silence = silence
        self.question = SharedQuestion(self._ask)

    def _ask(self) -> str:
        try:
            with patience_of(DATABASE_SECONDS, bounds_statements=True):
                return self._look()
        except Exception:  # noqa: BLE001 - its text can hold an address or a user's name
            return self.silence


_CHECKS: Final = {
    "database": _SharedCheck(ask_database),
    "migrations": _SharedCheck(Migrations().look),
    # Events are held without these two. Were they needed, all servers would leave the load balancer
    # together, and the events would be lost.
    "broker": _SharedCheck(ask_broker, is_needed=False),
    "openedx": _SharedCheck(look_at_pause, is_needed=False, silence="unknown"),
}


class _LastWord:
    """Logs when something of ours stops answering, or answers again; it is asked every few seconds.

    Open edX's pause has a line of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._were_silent: set[str] = set()

    def note(self, words: dict[str, str], *, is_ready: bool) -> None:
        silent = {name for name, word in words.items() if word != OK and name != "openedx"}
        with self._lock:
            has_changed, self._were_silent = silent != self._were_silent, silent
        if not has_changed:
            return
        if not silent:
            log.info("ready again", extra=words)
        elif is_ready:
            log.error("ready, but not all that it leans on answers", extra=words)
        else:
            log.error("not ready", extra=words)


_last_word: Final = _LastWord()


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - as Django calls it
    """Answer 200 for as long as the process can answer; nothing else is asked."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - as Django calls it
    """Answer 200 if the site can take requests, else 503, and how each thing it leans on does.

    After PATIENCE_SECONDS at most. A broker or an Open edX that is down is told of, and
    keeps the site ready: events are held.
    """
    checks = {
        name: check
        for name, check in _CHECKS.items()
        if name != "broker" or not settings.CELERY_TASK_ALWAYS_EAGER
    }
    answers = {name: check.question.begin() for name, check in checks.items()}
    wait(answers.values(), PATIENCE_SECONDS)
    words = {
        name: answers[name].result() if answers[name].done() else check.silence
        for name, check in checks.items()
    }
    is_ready = all(words[name] == OK for name, check in checks.items() if check.is_needed)
    _last_word.note(words, is_ready=is_ready)
    return JsonResponse(
        {"status": "ready" if is_ready else "not ready", "checks": words},
        status=HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )
