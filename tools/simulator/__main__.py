"""Plays Open edX's grades API on this machine."""

import argparse
import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
)

from tools.simulator import FAULT_PLACES, FAULT_WORDS, SimulatedOpenEdx, SimulatorError

DEFAULT_FILE: Final = Path(__file__).resolve().parents[1] / "demo" / "openedx.json"
_ENDING_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})


class _HelpFormatter(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Django's order of the arguments, and the table of faults left as it is laid out."""


class Command(BaseCommand):
    """Serves the simulated Open edX until SIGINT or SIGTERM."""

    help = (
        "Answers Open edX's grades API from a JSON file, rightly or as badly as it is told to.\n"
        "For a developer's machine only: anybody who can reach it can tell it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options, and list the faults below them."""
        parser.formatter_class = _HelpFormatter
        parser.epilog = _epilog()
        parser.add_argument(
            "--file", type=Path, default=DEFAULT_FILE, help="courses and learners; the demo's"
        )
        parser.add_argument("--port", type=int, default=18000, help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve; a wrong option ends with a reason."""
        try:
            openedx = SimulatedOpenEdx.from_file(
                options["file"],
                port=options["port"],
                # As the site in the same environment sends it, in development its default.
                token=os.environ.get(
                    "OPENEDX_SERVICE_WORKER_API_TOKEN", "development-service-worker-token"
                ),
            )
        except SimulatorError as error:
            raise CommandError(str(error)) from error
        # Blocked before the threads start, which inherit it: the signal then waits for sigwait,
        # and SIGINT arrives also if a shell started the command in the background.
        earlier = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING_SIGNALS)
        try:
            self._listen(openedx)
            with openedx:
                self.stdout.write(
                    f"Simulated Open edX listens on {openedx.url} ({len(openedx.courses)} courses, "
                    f"{openedx.courses.learner_count} learners). Ctrl-C ends it."
                )
                self.stdout.flush()
                signal.sigwait(_ENDING_SIGNALS)
        finally:
            # A second Ctrl-C, or a supervisor that sends both signals, must not end us otherwise.
            while signal.sigpending() & _ENDING_SIGNALS:
                signal.sigwait(_ENDING_SIGNALS)
            signal.pthread_sigmask(signal.SIG_SETMASK, earlier)

    def _listen(self, openedx: SimulatedOpenEdx) -> None:
        try:
            openedx.start()
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"{openedx.url} is taken by another process. Choose another --port."
                ) from error
            raise CommandError(f"Cannot listen on {openedx.url}: {error}.") from error


def _epilog() -> str:
    width = max(map(len, FAULT_WORDS))
    lines = [f"  {word:<{width}}  {meaning}" for word, meaning in FAULT_WORDS.items()]
    return "\n".join(
        [
            "faults:",
            *lines,
            "",
            "while it runs:",
            f'  PUT, DELETE /simulator/fault   {{"fault": "503", "count": 2, "on": PLACE}}, {FAULT_PLACES}',
        ]
    )


if __name__ == "__main__":
    Command().run_from_argv(["python -m", "tools.simulator", *sys.argv[1:]])
