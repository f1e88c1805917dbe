"""The plan's time."""

import time


class Clock:
    """Seconds since the start, without those it was held: a slow machine takes longer for the plan."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._held_at: float | None = None

    def start(self) -> None:
        """Begin at 0."""
        self._began, self._held_at = time.monotonic(), None

    def now(self) -> float:
        """Return the plan's time."""
        return (self._held_at or time.monotonic()) - self._began

    def hold(self) -> None:
        """Stand still. Repeatable."""
        self._held_at = self._held_at or time.monotonic()

    def go_on(self) -> None:
        """Go on from that moment. Repeatable."""
        if self._held_at is not None:
            self._began += time.monotonic() - self._held_at
            self._held_at = None
