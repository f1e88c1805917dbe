"""Work on the held requests: one pass, or on and on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, close_old_connections
from django.db import Error as DatabaseFailure

from openedx_certificates.api import count_requests, process_requests
from openedx_certificates.conflicts import describe_failure
from openedx_certificates.held.wakeup import TASK
from openedx_certificates.logs import get_logger
from openedx_certificates.management.periodic import PeriodicTasks
from openedx_certificates.management.progress import (
    add_progress_argument,
    describe_pass,
    requests_bar,
)

log = get_logger(__name__)

# Between two looks for what is due.
WATCH_SECONDS = 2.0


class Command(BaseCommand):
    """The worker's work, for cron, for a machine without a broker, and for administrators."""

    help = (
        "Asks Open edX about the learners whose certificate requests are due, issues the "
        "certificates, and settles or postpones the requests. Ends with status 0 also when "
        "Open edX is down: the requests are kept. Several may run at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--all",
            action="store_true",
            help="Every open request, whether it is due or not, and whatever pause Open edX has.",
        )
        how.add_argument(
            "--watch",
            action="store_true",
            help="Keep going until SIGTERM or Ctrl-C, and do the periodic work too, as Celery's "
            "worker and beat would: for a site without a broker.",
        )
        add_progress_argument(parser)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Have the database looked at as well: it is a worker that starts."""
        return {"databases": [DEFAULT_DB_ALIAS]}

    def handle(self, *args: Any, **options: Any) -> None:
        if options["watch"]:
            self._watch()
        else:
            self._pass_once(ignore_due=options["all"], progress=options["progress"])

    def _pass_once(self, *, ignore_due: bool, progress: bool | None) -> None:
        try:
            total = count_requests(ignore_due=ignore_due)
            with requests_bar(total, progress) as report:
                summary = process_requests(ignore_due=ignore_due, report=report)
            self.stdout.write(describe_pass(summary, still_open=count_requests(ignore_due=True)))
        except DatabaseFailure as error:
            raise CommandError(f"The database failed: {describe_failure(error)}.") from None

    def _watch(self) -> None:
        with _told_to_end() as is_told:
            self.stdout.write("Watching for certificate requests; Ctrl-C ends it.")
            # Into a file it would wait for more to come.
            self.stdout.flush()
            PeriodicTasks(without=TASK).start(is_told)
            while not is_told.is_set():
                try:
                    process_requests(is_over=is_told.is_set)
                except DatabaseFailure as error:
                    log.error(  # noqa: TRY400 - its text can hold a learner's values
                        "database failed; trying again", extra=describe_failure(error)
                    )
                close_old_connections()
                is_told.wait(WATCH_SECONDS)
        self.stdout.write("Ended.")


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Turn the first signal to end into an event: the request in hand is finished."""
    event = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: event.set()) for number in numbers}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
