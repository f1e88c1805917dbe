"""How a log line is made from a record."""

import logging
from http import HTTPStatus
from typing import Any

import structlog


def without_request(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Drop the request that Django adds to its own lines: its text has the query, secrets and all.

    The line itself names the path.
    """
    event.pop("request", None)
    return event


class NotServiceUnavailable(logging.Filter):
    """Leaves out Django's own ERROR for a reply of 503."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def formatter(*, as_json: bool) -> dict[str, Any]:
    """Return the configuration of a formatter that shows `extra` as fields, in one line.

    Args:
        as_json: one JSON object a line, for machines; otherwise a line for people.
    """
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            without_request,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=False),
        ],
    }
