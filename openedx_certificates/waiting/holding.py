"""Giving back what others need while a thread waits for another system."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from openedx_certificates.waiting.turns import webhook_turn_given_up


@contextmanager
def hold_nothing() -> Iterator[None]:
    """Release the database connections and the webhook's turn while the block waits.

    A hundred waiting webhooks would otherwise take all of PostgreSQL's connections. Inside a
    transaction a connection can't be given back: callers keep their transactions short of here.
    """
    for opened in connections.all(initialized_only=True):
        if not opened.in_atomic_block:
            opened.close()
    with webhook_turn_given_up():
        yield
