"""Start certificate requests again."""

from datetime import date, datetime, time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseFailure
from django.db.models import QuerySet
from django.utils import timezone

from openedx_certificates.api import count_requests, process_requests, reopen
from openedx_certificates.conflicts import describe_failure
from openedx_certificates.management.examples import CommandWithExamples
from openedx_certificates.management.lookup import get_run, get_user
from openedx_certificates.management.progress import (
    add_progress_argument,
    describe_pass,
    requests_bar,
)
from openedx_certificates.models import CertificateRequest

Status = CertificateRequest.Status
WITHOUT_CERTIFICATE = (Status.OPEN, Status.NOT_ELIGIBLE, Status.FAILED)
SHOWN = 20

EXAMPLES = """
examples:
  --status failed                   all that was given up
  --status failed --since 2026-05-01 --until 2026-05-03
                                    what was accepted in these days and given up
  --run ID                          a run's requests that led to no certificate
  --user LEARNER --dry-run          say what would be done for one learner
"""


class Command(CommandWithExamples):
    """The administrator's way to have Open edX asked again."""

    help = (
        "Reopens certificate requests and works on them at once, whatever pause Open edX has. "
        "Of several requests of one learner and run the latest is taken. What is still open "
        "afterwards is kept and worked on like any other."
    )

    examples = EXAMPLES

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--run", help="Of this course run, by Open edX's course id.")
        parser.add_argument("--user", help="Of this learner, by e-mail address or username.")
        parser.add_argument(
            "--status",
            action="append",
            choices=Status.values,
            help="Of this status; may be given several times. By default "
            f"{', '.join(WITHOUT_CERTIFICATE[:-1])} and {WITHOUT_CERTIFICATE[-1]}.",
        )
        parser.add_argument(
            "--since",
            type=date.fromisoformat,
            metavar="DATE",
            help="Accepted on this day (UTC) or later, such as 2026-05-01.",
        )
        parser.add_argument(
            "--until",
            type=date.fromisoformat,
            metavar="DATE",
            help="Accepted on this day (UTC) or earlier.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, and do nothing."
        )
        add_progress_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if not any(options[name] for name in ("run", "user", "status", "since", "until")):
            raise CommandError("Say which: --run, --user, --status, --since or --until.")
        try:
            requests = _find(options)
            if options["dry_run"]:
                self._tell(_latest_of_each(requests))
            else:
                self._replay(requests, options["progress"])
        except DatabaseFailure as error:
            raise CommandError(f"The database failed: {describe_failure(error)}.") from None

    def _tell(self, requests: list[CertificateRequest]) -> None:
        for request in requests[:SHOWN]:
            self.stdout.write(
                f"{request.created_on:%Y-%m-%d %H:%M}  {request.status:<12}  "
                f"user {request.user_id}  {request.course_run.courseware_id}"
            )
        if len(requests) > SHOWN:
            self.stdout.write(f"... and {len(requests) - SHOWN} more")
        self.stdout.write(f"{len(requests)} request(s) would be replayed. Nothing was done.")

    def _replay(self, requests: QuerySet[CertificateRequest], progress: bool | None) -> None:
        replay = reopen(requests)
        if replay.left:
            self.stdout.write(str(replay))
        chosen = CertificateRequest.objects.filter(pk__in=replay.started)
        with requests_bar(len(replay.started), progress) as report:
            summary = process_requests(chosen, ignore_due=True, report=report)
        still_open = count_requests(chosen, ignore_due=True)
        self.stdout.write(describe_pass(summary, still_open=still_open))


def _find(options: dict[str, Any]) -> QuerySet[CertificateRequest]:
    requests = CertificateRequest.objects.filter(
        status__in=options["status"] or WITHOUT_CERTIFICATE
    )
    if options["run"] is not None:
        requests = requests.filter(course_run=get_run(options["run"]))
    if options["user"] is not None:
        requests = requests.filter(user=get_user(options["user"]))
    if options["since"]:
        requests = requests.filter(created_on__gte=_at(options["since"], time.min))
    if options["until"]:
        requests = requests.filter(created_on__lte=_at(options["until"], time.max))
    return requests


def _latest_of_each(requests: QuerySet[CertificateRequest]) -> list[CertificateRequest]:
    latest = requests.order_by("user", "course_run", "-pk").distinct("user", "course_run")
    return sorted(latest.select_related("course_run"), key=lambda request: request.pk)


def _at(day: date, moment: time) -> datetime:
    return timezone.make_aware(datetime.combine(day, moment), timezone.get_default_timezone())
