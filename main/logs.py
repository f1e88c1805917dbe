"""How a log line is made from a record, and which libraries are heard.

Modules log by the standard library: a constant message, and fields in `extra`. What stands in a line
is decided here for all of them, so that a library's carelessness puts no personal data into the log.
"""

import logging
import math
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars
from structlog.stdlib import ProcessorFormatter

from main.log_handler import LogHandler

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FRAMES_MAX: Final = 40
CHAIN_MAX: Final = 5
# Those with lines that an operator may want to see more of; they hold ids alone, at every level.
OUR_OWN: Final = (
    "courses",
    "main",
    "openedx",
    "openedx_certificates",
    "users",
)

Event = dict[str, Any]


def configuration(level: str, *, debug: bool) -> dict[str, Any]:
    """Return Django's LOGGING.

    Args:
        level: the least that is logged, of LEVELS. Of this project's own lines: libraries are heard
            from WARNING on, and never more of them for a lower level.
        debug: lines for people, with the texts of exceptions; otherwise one JSON object a line.
    """
    silent = {"handlers": ["none"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"fields": formatter(as_json=not debug)},
        "filters": {
            "not_told_yet": {"()": NotToldYet},
            "not_of_one_task": {"()": NotOfOneTask},
        },
        "handlers": {
            "console": {"()": LogHandler, "formatter": "fields"},
            "none": {"class": "logging.NullHandler"},
            "refusals": {"()": RefusalNote},
        },
        "root": {"handlers": ["console"], "level": _at_least("WARNING", level)},
        # Each with a level of its own has it so that no level of the root logger opens it: at INFO
        # or DEBUG it shows what it works on.
        "loggers": {
            **{name: {"level": level} for name in OUR_OWN},
            # Django's own set-up gives this logger a second handler if DEBUG is on.
            "django": {"handlers": [], "propagate": True, "level": _at_least("INFO", level)},
            # Statements with their values: addresses, grades.
            "django.db.backends": {"level": "WARNING"},
            # What a receiver of a signal raises can hold a learner's values; its sender logs it.
            "django.dispatch": silent,
            # The path a caller made up, beside our own line for the same request.
            "django.request": {"filters": ["not_told_yet"]},
            # As above, with a traceback at ERROR for each stray caller; which check it was is told
            # by our own line.
            "django.security": {"handlers": ["refusals"], "propagate": False},
            # The development server's lines, with the query string.
            "django.server": silent,
            # Variables that a template missed, with the context's values.
            "django.template": {"level": "WARNING"},
            # Starting and ending, and a broker that is away.
            "celery": {"level": _at_least("INFO", level)},
            # A line for each task, with arguments, result, and the exception's text; ours has ids.
            "celery.app.trace": {"filters": ["not_of_one_task"]},
            "celery.worker.strategy": {"filters": ["not_of_one_task"]},
            "celery.worker.request": {"level": "WARNING"},
            # Messages as they go over the wire, with the address of the broker.
            "amqp": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            # Requests with their tokens.
            "oauth2_provider": {"level": "WARNING"},
            "oauthlib": silent,
            "requests_oauthlib": silent,
            # The addresses we ask for, with the learner's username, which can be an e-mail address;
            # at WARNING too. What fails is reported in our own words.
            "requests": {"level": "ERROR"},
            "urllib3": {"level": "ERROR"},
            # Statements and connections.
            "psycopg": {"level": "WARNING"},
            "asyncio": {"level": "WARNING"},
            # The web server's own lines, in the form of all others.
            "_granian": {"handlers": [], "propagate": True, "level": _at_least("INFO", level)},
        },
    }


def formatter(*, as_json: bool) -> dict[str, Any]:
    """Return the configuration of a formatter that shows `extra` as fields, in one line.

    Args:
        as_json: one JSON object a line, for machines, without the text of any exception; otherwise a
            line for people, with it.
    """
    render: list[Any] = [structlog.processors.JSONRenderer()]
    if not as_json:
        render = [_escape, structlog.dev.ConsoleRenderer(colors=False)]
    return {
        "()": LineFormatter,
        "tells_texts": not as_json,
        "foreign_pre_chain": [*_WHO_AND_WHERE, structlog.stdlib.ExtraAdder(), merge_contextvars],
        "processors": [
            ProcessorFormatter.remove_processors_meta,
            *([_frames_alone, _headline] if as_json else [structlog.processors.format_exc_info]),
            _plain_fields,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
    }


class LineFormatter(ProcessorFormatter):
    """Makes the line; of an exception among the arguments of a message it tells the type alone."""

    def __init__(self, *args: Any, tells_texts: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tells_texts = tells_texts

    def format(self, record: logging.LogRecord) -> str:
        if self._tells_texts or not record.args:
            return super().format(record)
        record = logging.makeLogRecord(record.__dict__)
        if isinstance(record.args, Mapping):
            record.args = {name: _without_text(value) for name, value in record.args.items()}
        elif record.args:
            record.args = tuple(map(_without_text, record.args))
        return super().format(record)


class RefusalNote(logging.Handler):
    """Keeps which of Django's security checks refused a request, for the request's own line."""

    def emit(self, record: logging.LogRecord) -> None:
        bind_contextvars(refused_by=record.name.rpartition(".")[2])


class NotToldYet(logging.Filter):
    """Leaves out what Django says of a request that `main.middleware.request_log` has a line for."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not hasattr(getattr(record, "request", None), "log_started_at")


class NotOfOneTask(logging.Filter):
    """Leaves out what Celery says of one task; `main.task_log` has a line for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not hasattr(record, "data")


# Django's request; and what another formatter leaves behind in a record.
_NOT_FIELDS = frozenset({"request", "message", "asctime"})
_WHO_AND_WHERE = [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name]


def _at_least(least: str, level: str) -> str:
    return max(least, level, key=LEVELS.index)


def _without_text(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def _frames_alone(_logger: Any, _method: str, event: Event) -> Event:
    """Show the place of an exception; its text can hold the values of a row."""
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event.setdefault("error", type(error).__name__)
        event["stack"] = [line for link in _chain(error) for line in _describe(link)]
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(CHAIN_MAX):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _describe(error: BaseException) -> Iterator[str]:
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    # By hand: the module `traceback` would read each file for the line's text.
    frames = [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    yield from frames[-FRAMES_MAX:]


def _headline(_logger: Any, _method: str, event: Event) -> Event:
    """Leave out what a library says further down: Celery shows a message it can't take, whole."""
    if not str(event.get("logger")).startswith(OUR_OWN):
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _plain_fields(_logger: Any, _method: str, event: Event) -> Event:
    """Leave plain values alone; of any other object, such as a row, show the type."""
    return {name: _plain(value) for name, value in event.items() if name not in _NOT_FIELDS}


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        # JSON has no word for the others.
        return value if math.isfinite(value) else str(value)
    if isinstance(value, date | datetime | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member) for member in value]
    return type(value).__name__


def _escape(_logger: Any, _method: str, event: Event) -> Event:
    """Keep a line one line, and a terminal from being steered; JSON does so by itself."""
    texts_of_ours = ("exception", "stack")
    return {
        name: value if name in texts_of_ours else _escaped(value) for name, value in event.items()
    }


def _escaped(value: object) -> object:
    if isinstance(value, str) and not value.isprintable():
        return "".join(
            character
            if character.isprintable()
            else character.encode("unicode_escape", "surrogatepass").decode("ascii")
            for character in value
        )
    return value
