"""One course run: from its pages of grades to certificates, and what is kept of how that went."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import Error as DatabaseFailure
from django.db.models.functions import Now

from openedx_certificates import host
from openedx_certificates.clock import database_now
from openedx_certificates.conflicts import describe_failure, reconnect_if_closed
from openedx_certificates.held.queue import OwnFailure
from openedx_certificates.issuing.certificates import are_certificates_due
from openedx_certificates.issuing.errors import describe_own_error
from openedx_certificates.issuing.fetching import GradePage, fetch_grade_pages
from openedx_certificates.issuing.pages import LearnerResult, apply_page, settle_kept
from openedx_certificates.logs import get_logger
from openedx_certificates.models.sweep import ERROR_TEXT_MAX_LENGTH
from openedx_certificates.rules import CertificateOutcome, GradeOutcome
from openedx_certificates.settings import app_settings
from openedx_certificates.sweeps.leases import SweepLease, SweepOvertaken
from openedx_certificates.sweeps.summaries import GenerationSummary, Progress
from openedx_certificates.wire.exceptions import CannotAsk, OpenEdxError

log = get_logger(__name__)


@dataclass(slots=True)
class RunSweep:
    """A pass over one run; certificates are deleted at its end, when it is known how many."""

    run: host.CourseRun
    #: Gives up when the lease is lost.
    lease: SweepLease
    #: Whether certificates may be created before their date.
    force: bool
    #: Whether any number of certificates may be deleted.
    may_delete: bool
    #: Of the whole call; this run's counts come on top.
    total: GenerationSummary
    #: Gets the total after each page.
    report: Progress
    counts: GenerationSummary = field(default_factory=lambda: GenerationSummary(runs=1))
    #: Whether certificates may be created by now.
    _is_due: bool = False
    #: Keyed by learner: the same learner can be on two pages, and loses one certificate.
    _kept: dict[int, LearnerResult] = field(default_factory=dict)

    def sweep(self) -> None:
        """Sweep the whole run, give up the lease, and keep with the run what came of it.

        What goes wrong with the run is logged and counted, and not raised.
        """
        started_at = time.monotonic()
        result: dict[str, Any] = {}
        try:
            started_on = database_now()
            # It may have waited for hours, and the dates may be others by now.
            self.run.refresh_from_db()
            self._is_due = self.force or are_certificates_due(self.run, started_on)
            error = self._try_all_pages()
            result = _describe(self.counts, error, started_on)
            log.info(
                "sweep of course run finished",
                extra={
                    "course_id": self.run.courseware_id,
                    **self.counts.as_dict(),
                    "failed_learners": self.counts.failed_learners,
                    "seconds": round(time.monotonic() - started_at, 1),
                    "error": result["error"] or None,
                },
            )
        except (SweepOvertaken, DatabaseFailure, ObjectDoesNotExist) as error:
            # Of a sweep that was overtaken, what came of the run is for the other to tell.
            self._fail(error)
        finally:
            self._give_up_lease(result)

    def _try_all_pages(self) -> Exception | None:
        """Store the grades of all learners, and bring the certificates in line.

        Each page is committed by itself, while the next is being asked for. Returns what ended it
        early. Raises SweepOvertaken if the lease was lost.
        """
        try:
            self._take_all_pages()
        except SweepOvertaken:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
            self._fail(error)
            return error
        return None

    def _take_all_pages(self) -> None:
        try:
            for page in fetch_grade_pages(self.run, alive=self.lease.renew):
                self.lease.renew()
                self._take(page)
                self.report(self.total)
            self._delete_what_was_kept()
        finally:
            # Of a run that broke off: they stay as they are.
            self._add(*self._kept.values())

    def _fail(self, error: Exception) -> None:
        self.counts.failed_runs.append(self.run.courseware_id)
        note_failed_run(
            self.run, error, self.total, pages=self.counts.pages, learners=self.counts.learners
        )

    def _give_up_lease(self, result: dict[str, Any]) -> None:
        """Give up the lease and keep what came of the sweep; if the database fails, log that."""
        try:
            self.lease.give_up(**result)
        except DatabaseFailure as error:
            reconnect_if_closed()
            log.error(  # noqa: TRY400 - its text can hold values
                "what came of a sweep was not kept",
                extra={"course_id": self.run.courseware_id, **describe_failure(error)},
            )

    def _take(self, page: GradePage) -> None:
        for summary in (self.total, self.counts):
            summary.pages += 1
            summary.strangers += page.strangers
        for result in self._settle(page):
            if result.certificate is CertificateOutcome.KEPT and result.user is not None:
                self._kept[result.user] = result
            else:
                self._add(result)

    def _delete_what_was_kept(self) -> None:
        """Let the 0.0s count, unless they are so many that a fault is likelier than the truth."""
        if not self._kept:
            return
        certificates = host.certificates().filter(course_run=self.run).count()
        percent = app_settings.DELETIONS_MAX_PERCENT
        limit = max(app_settings.DELETIONS_MAX, certificates * percent / 100)
        if len(self._kept) > limit:
            log.error(
                "too many certificates would be deleted: none was",
                extra={
                    "course_id": self.run.courseware_id,
                    "deletions": len(self._kept),
                    "certificates": certificates,
                },
            )
            settle_kept(self.run, self._kept.values())
            return
        self.may_delete = True
        while self._kept:
            # A sweep that was taken for dead deletes nothing.
            self.lease.renew(at_once=True)
            users = list(self._kept)[: app_settings.PAGE_SIZE]
            page = GradePage([self._kept[user].as_reported() for user in users], [])
            results = self._settle(page)
            for user in users:
                del self._kept[user]
            self._add(*results)

    def _settle(self, page: GradePage) -> list[LearnerResult]:
        return apply_page(
            page, self.run, is_due=self._is_due, may_delete=self.may_delete, alive=self.lease.renew
        )

    def _add(self, *results: LearnerResult) -> None:
        for result in results:
            self.total.add(result.grade, result.certificate)
            self.counts.add(result.grade, result.certificate)


def note_failed_run(
    run: host.CourseRun, error: Exception, total: GenerationSummary, **progress: int
) -> None:
    """Count and log that the run was not worked through to its end.

    Args:
        run: the run.
        error: what ended it.
        total: of the whole call.
        **progress: how far it came.
    """
    if isinstance(error, DatabaseFailure):
        reconnect_if_closed()
    total.failed_runs.append(run.courseware_id)
    log.error(
        "course run was not swept to its end",
        extra={"course_id": run.courseware_id, **progress, **_describe_error(error)},
    )


def _describe(
    counts: GenerationSummary, error: Exception | None, started_on: datetime
) -> dict[str, Any]:
    """Return the columns that tell of a sweep."""
    code = text = ""
    if isinstance(error, OpenEdxError):
        code, text = error.code, str(error)
    elif error is not None:
        is_the_databases = isinstance(error, DatabaseFailure)
        own = OwnFailure.DATABASE if is_the_databases else OwnFailure.INTERNAL
        code, text = own.value, str(error) if isinstance(error, CannotAsk) else own.label
    if error is not None:
        text = (
            f"{text[:150]} It came as far as page {counts.pages}, with {counts.learners} learners."
        )
    return {
        "started_on": started_on,
        "finished_on": Now(),
        "pages": counts.pages,
        "learners": counts.learners,
        "certificates_created": counts.certificates[CertificateOutcome.CREATED],
        "failed_learners": counts.failed_learners,
        "refused_grades": counts.grades[GradeOutcome.REFUSED],
        "error": code,
        "error_text": text[:ERROR_TEXT_MAX_LENGTH],
    }


def _describe_error(error: Exception) -> dict[str, str | None]:
    """Return what of it may be logged: never a text, unless it is our own."""
    if isinstance(error, OpenEdxError):
        return {"error": error.code, "cause": str(error)}
    if isinstance(error, SweepOvertaken):
        return {"error": "overtaken"}
    if isinstance(error, DatabaseFailure):
        return describe_failure(error)
    fields = describe_own_error(error)
    return {"error": fields.pop("kind"), **fields}
