"""What follows the commit: the host's own functions, and the app's signals. One that fails stops no other."""

import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connection
from django.dispatch import Signal

from openedx_certificates import host
from openedx_certificates.logs import get_logger
from openedx_certificates.signals import certificate_created, certificate_deleted
from openedx_certificates.waiting.holding import hold_nothing

log = get_logger(__name__)


@contextmanager
def keep_apart() -> Iterator[None]:
    """Keep what the host leaves in the block for after the commit from stopping what else is left.

    The host's `save()` and `post_save` leave such functions by `transaction.on_commit`: MITx Online
    sends tasks to its broker in them. The rows are committed by then, so one that raises is logged.
    """
    before = len(connection.run_on_commit)
    yield
    # Savepoints, function, and whether it is robust: django-stubs knows nothing of the last.
    left: list[Any] = connection.run_on_commit[before:]
    connection.run_on_commit[before:] = [
        (savepoints, partial(_run, function), *rest) for savepoints, function, *rest in left
    ]


def announce(
    created: Collection[host.Certificate],
    deleted: Collection[host.Certificate],
    alive: Callable[[], object],
) -> None:
    """Tell of each certificate, also if the caller is found to have lost its lease in between.

    Args:
        created: the new certificates.
        deleted: those that are gone, as they were.
        alive: called after each; what it raises first is raised at the end.
    """
    lost: Exception | None = None
    for signal, name, certificates in (
        (certificate_created, "certificate_created", created),
        (certificate_deleted, "certificate_deleted", deleted),
    ):
        for certificate in certificates:
            _send(signal, name, certificate)
            try:
                alive()
            except Exception as error:  # noqa: BLE001 - they are committed, and are told of once
                lost = lost or error
    if lost is not None:
        raise lost


def _send(signal: Signal, name: str, certificate: host.Certificate) -> None:
    if not signal.has_listeners(type(certificate)):
        return
    with hold_nothing():
        replies = signal.send_robust(sender=type(certificate), certificate=certificate)
    for receiver, reply in replies:
        if isinstance(reply, Exception):
            log.error(
                "a receiver of a signal failed",
                extra={
                    "signal": name,
                    "receiver": _name(receiver),
                    "certificate": str(certificate.uuid),
                    **_describe(reply),
                },
            )


def _run(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception as error:  # noqa: BLE001 - the host's own
        log.error(  # noqa: TRY400 - its text can hold the learner's values
            "what the host does after the commit failed",
            extra={"function": _name(function), **_describe(error)},
        )


def _name(function: object) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _describe(error: Exception) -> dict[str, str]:
    """Return the error without its own text, which could hold the learner's values."""
    return {
        "error": type(error).__name__,
        "stack": "".join(traceback.format_tb(error.__traceback__)),
    }
