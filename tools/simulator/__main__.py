"""Plays Open edX on this machine: its grades API, or one event of its plugin."""

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

from tools.simulator import (
    FAULT_PLACES,
    FAULT_WORDS,
    Courses,
    Fault,
    Plugin,
    SimulatedOpenEdx,
    SimulatorError,
    load_courses,
)

DEFAULT_FILE: Final = Path(__file__).resolve().parents[1] / "demo" / "openedx.json"
DEFAULT_WEBHOOK_URL: Final = "http://127.0.0.1:8013/api/openedx_webhook/certificate/"
_ENDING_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})


class _HelpFormatter(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Django's order of the arguments, and the table of faults left as it is laid out."""


class Command(BaseCommand):
    """Serves the simulated Open edX until SIGINT or SIGTERM; with --fire plays its plugin once."""

    help = (
        "Answers Open edX's grades API from a JSON file, rightly or as badly as it is told to.\n"
        "With --fire it plays Open edX's plugin instead: it posts one event to the webhook.\n"
        "For a developer's machine only: /simulator/ tells anybody who asks which tokens came."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options, and list the faults below them."""
        parser.formatter_class = _HelpFormatter
        parser.epilog = _epilog()
        parser.add_argument(
            "--file", type=Path, help="courses and learners (default: tools/demo/openedx.json)"
        )
        serving = parser.add_argument_group("serving")
        serving.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
        serving.add_argument("--port", type=int, default=18000, help="default: %(default)s")
        serving.add_argument(
            "--token",
            help="the bearer token to ask for; blank asks for none "
            "(default: OPENEDX_SERVICE_WORKER_API_TOKEN)",
        )
        serving.add_argument("--fault", metavar="WORD", help="fail like this; see below")
        serving.add_argument(
            "--fault-on", metavar="PLACE", default="all", help=f"{FAULT_PLACES}; default: all"
        )
        serving.add_argument(
            "--fault-count", type=int, metavar="K", help="fail K times only, then answer rightly"
        )
        serving.add_argument(
            "--delay", type=int, default=0, metavar="MS", help="wait so long before every answer"
        )
        serving.add_argument("--page-size", type=int, metavar="N", help="no page is longer than N")
        serving.add_argument(
            "--bare-list", action="store_true", help="a course in one list, as old releases answer"
        )
        serving.add_argument("--access-log", action="store_true", help="a line for each request")
        firing = parser.add_argument_group("playing the plugin")
        firing.add_argument(
            "--fire",
            nargs=2,
            metavar=("USERNAME_OR_EMAIL", "COURSE_ID"),
            help="tell the webhook that this learner passed; a username is looked up in --file",
        )
        firing.add_argument(
            "--webhook-url", default=DEFAULT_WEBHOOK_URL, help="default: %(default)s"
        )
        firing.add_argument(
            "--webhook-token",
            default=os.environ.get("OPENEDX_WEBHOOK_TOKEN", ""),
            help="the bearer token to send (default: OPENEDX_WEBHOOK_TOKEN)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve, or fire one event; a wrong option or a failed event ends with a reason."""
        try:
            if options["fire"]:
                learner, course_id = options["fire"]
                self._fire(learner, course_id, options)
            else:
                self._serve(options)
        except SimulatorError as error:
            raise CommandError(str(error)) from error

    def _serve(self, options: dict[str, Any]) -> None:
        token = options["token"]
        openedx = SimulatedOpenEdx(
            _load(options["file"]),
            host=options["host"],
            port=_in_range(options, "port", 0, 65_535),
            token=_token_of_the_site() if token is None else token,
            bare_list=options["bare_list"],
            page_size_cap=_in_range(options, "page_size", 1, 10**9),
            delay_ms=_in_range(options, "delay", 0, 86_400_000),
            access_log=self._say if options["access_log"] else None,
        )
        if options["fault"]:
            fault = Fault.parse(
                options["fault"], on=options["fault_on"], count=options["fault_count"]
            )
            openedx.set_fault(fault)
        elif options["fault_on"] != "all" or options["fault_count"] is not None:
            raise CommandError("--fault-on and --fault-count need a --fault.")

        # Blocked before the threads start, which inherit it: the signal then waits for sigwait,
        # and SIGINT arrives also if a shell started the command in the background.
        earlier = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING_SIGNALS)
        try:
            self._listen(openedx)
            with openedx:
                self._say(
                    f"Simulated Open edX listens on {openedx.url} ({len(openedx.courses)} courses, "
                    f"{openedx.courses.learner_count} learners). Ctrl-C ends it."
                )
                signal.sigwait(_ENDING_SIGNALS)
        finally:
            # A second Ctrl-C, or a supervisor that sends both signals, must not end us otherwise.
            while signal.sigpending() & _ENDING_SIGNALS:
                signal.sigwait(_ENDING_SIGNALS)
            signal.pthread_sigmask(signal.SIG_SETMASK, earlier)

    def _listen(self, openedx: SimulatedOpenEdx) -> None:
        try:
            openedx.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"{openedx.url} is taken by another process. Choose another --port."
                ) from error
            raise CommandError(f"Cannot listen on {openedx.url}: {error.strerror}.") from error

    def _fire(self, learner: str, course_id: str, options: dict[str, Any]) -> None:
        token = options["webhook_token"]
        if not token:
            raise CommandError("--fire needs --webhook-token, or OPENEDX_WEBHOOK_TOKEN set.")
        email = find_email(learner, options["file"])
        attempts = Plugin(options["webhook_url"], token).fire(email, course_id)
        for number, attempt in enumerate(attempts, start=1):
            outcome = attempt.status if attempt.error is None else attempt.error
            self._say(f"Attempt {number}: {outcome} {attempt.body}".rstrip())
        if not attempts[-1].is_accepted:
            raise CommandError(
                f"All {len(attempts)} tries failed; the plugin has forgotten the event."
            )

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _load(path: Path | None) -> Courses:
    if path is None and not DEFAULT_FILE.exists():
        raise CommandError(
            f"Say which courses and learners there are: --file FILE. ({DEFAULT_FILE} is not there.)"
        )
    return load_courses(path or DEFAULT_FILE)


def find_email(learner: str, path: Path | None) -> str:
    """Return a username's e-mail from the file, or the e-mail that was given; or CommandError."""
    # A username may hold an @ too, so the file is asked first, if there is one.
    if path is not None or DEFAULT_FILE.exists() or "@" not in learner:
        courses = _load(path)
        if email := courses.find_email(learner):
            return email
        if courses.knows(learner):
            raise CommandError(f"The file gives no e-mail for {learner!r}.")
    if "@" in learner:
        return learner
    raise CommandError(f"{learner!r} is no e-mail, and no username in the file.")


def _token_of_the_site() -> str:
    """Return the token that the site in the same environment sends, in development its default."""
    return os.environ.get("OPENEDX_SERVICE_WORKER_API_TOKEN", "development-service-worker-token")


def _in_range(options: dict[str, Any], name: str, least: int, most: int) -> Any:
    value = options[name]
    if value is not None and not least <= value <= most:
        raise CommandError(f"--{name.replace('_', '-')} must be from {least} to {most}.")
    return value


def _epilog() -> str:
    width = max(map(len, FAULT_WORDS))
    lines = [f"  {word:<{width}}  {meaning}" for word, meaning in FAULT_WORDS.items()]
    return "\n".join(
        [
            "faults:",
            *lines,
            "",
            "while it runs:",
            "  GET, DELETE /simulator/requests                    what came; forget it",
            '  PUT, DELETE /simulator/fault                       {"fault": "503", "count": 2}',
            '  PUT /simulator/grades/{course_id}/{username}       {"passed": true, "percent": 0.9}',
        ]
    )


if __name__ == "__main__":
    Command().run_from_argv(["python -m", "tools.simulator", *sys.argv[1:]])
