"""Whether the site is alive, and ready for requests: for load balancers and for whoever watches.

Neither names an address, a version or an error's text: everybody may ask.
"""

import logging
import threading
from concurrent.futures import wait
from http import HTTPStatus
from typing import Any, ClassVar, Final

from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from health_check import HealthCheck
from health_check.exceptions import ServiceReturnedUnexpectedResult, ServiceWarning

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


class Broker(HealthCheck):
    """The broker takes messages: one that is full, or a read-only replica, takes connections alone."""

    # Of which no worker reads.
    queue: ClassVar = "mitxonline.readiness"

    def run(self) -> None:
        options = {
            "socket_connect_timeout": BROKER_PATIENCE_SECONDS,
            "socket_timeout": BROKER_PATIENCE_SECONDS,
        }
        with current_app.connection_for_write(
            connect_timeout=BROKER_PATIENCE_SECONDS, transport_options=options
        ) as broker:
            broker.connect()
            try:
                self._send(broker.default_channel)
            except broker.channel_errors as error:
                raise ServiceReturnedUnexpectedResult("takes no messages") from error

    def _send(self, channel: Any) -> None:
        # Declared, since RabbitMQ drops what it has no queue for.
        channel.queue_declare(queue=self.queue, durable=True, auto_delete=False)
        channel.basic_publish(channel.prepare_message(""), exchange="", routing_key=self.queue)
        channel.queue_purge(queue=self.queue)


class Database(HealthCheck):
    """An event could be held: the database answers, takes writes, and has room for them."""

    def run(self) -> None:
        try_to_hold()


class Migrations(HealthCheck):
    """All migrations of this release are applied; once they are, they are not looked for again."""

    _were_applied = False

    def run(self) -> None:
        if self._were_applied:
            return
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise ServiceReturnedUnexpectedResult("not applied")
        self._were_applied = True


class OpenEdx(HealthCheck):
    """Open edX is asked as ever. Where it isn't, that is a warning: events are held all the same."""

    def run(self) -> None:
        pause = get_pause()
        if pause.since is not None:
            raise ServiceWarning(f"paused since {pause.since:%Y-%m-%dT%H:%M:%SZ}")
        if pause.failures:
            raise ServiceWarning(f"failing, {pause.failures} in a row")


class _SharedCheck:
    """A check, made once for all who ask in the same moment."""

    def __init__(
        self, check: HealthCheck, *, is_needed: bool = True, silence: str = NO_ANSWER
    ) -> None:
        self._check = check
        #: Whether the site can't serve without.
        self.is_needed = is_needed
        #: What is said where the check came to nothing.
        self.silence = silence
        self.question = SharedQuestion(self._look)

    def _look(self) -> str:
        try:
            with patience_of(DATABASE_SECONDS, bounds_statements=True):
                self._check.run()
        except (ServiceWarning, ServiceReturnedUnexpectedResult) as told:
            return told.message
        except Exception:  # noqa: BLE001 - its text can hold an address or a user's name
            return self.silence
        return OK


_CHECKS: Final = {
    "database": _SharedCheck(Database()),
    "migrations": _SharedCheck(Migrations()),
    # Events are held without these two. Were they needed, all servers would leave the load balancer
    # together, and the events would be lost.
    "broker": _SharedCheck(Broker(), is_needed=False, silence=NO_ANSWER),
    "openedx": _SharedCheck(OpenEdx(), is_needed=False, silence="unknown"),
}


class _LastWord:
    """Logs when something of ours stops answering, or answers again; every few seconds somebody asks.

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
    """Answer 200 for as long as the process can answer; nobody else is asked."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - as Django calls it
    """Answer 200 where the site can take requests, else 503, and how each thing it leans on does.

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
