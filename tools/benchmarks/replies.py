"""What the site replied, and how fast."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Replies:
    """What came back, and how long each took."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.seconds.append(seconds)

    def percentile(self, percent: float) -> float:
        """Return the milliseconds that so many percent of the replies took at most."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    @property
    def slowest(self) -> float:
        """The milliseconds of the slowest reply."""
        return 1000 * max(self.seconds)

    def __str__(self) -> str:
        counts = ", ".join(f"{number} x {status}" for status, number in self.statuses.items())
        return f"{counts}; p50 {self.percentile(50):.0f}, p99 {self.percentile(99):.0f}, slowest {self.slowest:.0f} ms"


@dataclass(frozen=True, slots=True)
class Burst:
    """The replies to events that another process sent."""

    seconds: float
    replies: Replies
    #: Each status with the certificate's status in the reply.
    words: Counter[tuple[int, str]]


def send_events(
    webhook_url: str, token: str, first: int, count: int, *options: tuple[str, int]
) -> Burst:
    """Send events from another process, see `tools.benchmarks.burst`; by default all at once."""
    command = [
        sys.executable,
        "-m",
        "tools.benchmarks.burst",
        webhook_url,
        token,
        str(first),
        str(count),
    ]
    command += [f"--{name}={value}" for name, value in options]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    told = json.loads(output)
    replies = Replies()
    for status, seconds, _word in told["replies"]:
        replies.add(status, seconds)
    words = Counter((status, word) for status, _seconds, word in told["replies"])
    return Burst(told["seconds"], replies, words)
