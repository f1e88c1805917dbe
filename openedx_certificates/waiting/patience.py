"""How long a request waits for the database, and not longer.

Open edX's plugin gives an event two more tries within seconds, and a load balancer waits for about
five: an answer that says "not now" is worth more to both than one that comes late.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Patience:
    seconds: float
    bounds_statements: bool
    #: Of the seconds, what was not waited yet.
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.seconds


_current: ContextVar[_Patience | None] = ContextVar("database_patience", default=None)


@contextmanager
def patience_of(seconds: float, *, bounds_statements: bool) -> Iterator[None]:
    """Bound how long the block waits for the database; the bounds of a block around it are kept.

    What the block does besides does not count: a busy machine is no reason to give up.

    Args:
        seconds: for all of the block's waits together, until the next `restart`; if statements
            are not bounded, for each connection that it takes.
        bounds_statements: whether the wait for a statement's answer counts, too.
    """
    outer = _current.get()
    if outer is not None and outer.bounds_statements:
        seconds = min(seconds, outer.left)
    inner = _Patience(seconds, bounds_statements)
    token = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(token)
        spend(seconds - inner.left)


def restart() -> None:
    """Begin again: the caller has waited for another system meanwhile."""
    patience = _current.get()
    if patience is not None:
        patience.left = patience.seconds


def left_for_connection() -> float | None:
    """Return how many seconds the caller waits for a connection, None for as long as it takes."""
    patience = _current.get()
    if patience is None:
        return None
    return max(patience.left, 0.0) if patience.bounds_statements else patience.seconds


def left_for_statement() -> float | None:
    """Return how many seconds the caller waits for an answer, None for as long as it takes."""
    patience = _current.get()
    return max(patience.left, 0.0) if patience is not None and patience.bounds_statements else None


def spend(seconds: float) -> None:
    """Take from the caller's patience what it has waited."""
    patience = _current.get()
    if patience is not None:
        patience.left -= seconds
