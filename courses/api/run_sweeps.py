"""One course run: from its pages of grades to certificates, and what is kept of how that went."""

import logging
import time
import traceback
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db.models.functions import Now

from courses.api.conflicts import describe_failure, let_lost_connection_go
from courses.api.request_queue import OwnFailure
from courses.api.rules import CertificateOutcome, GradeOutcome
from courses.api.settling import LearnerResult, settle_kept, settle_page
from courses.api.summaries import GenerationSummary, Progress
from courses.api.sweep_leases import SweepLease, SweepOvertaken
from courses.models import CourseRun
from courses.models.sweep import ERROR_TEXT_MAX_LENGTH
from openedx.api import GradePage, fetch_grade_pages
from openedx.exceptions import CannotAsk, OpenEdxError
from users.models import User

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RunSweep:
    """A pass over one run; certificates are deleted at its end, where it is known how many."""

    run: CourseRun
    #: Whether certificates may be created by now.
    is_due: bool
    #: Whether any number of certificates may be deleted.
    may_delete: bool
    #: Of the whole call; this run's counts come on top.
    total: GenerationSummary
    #: Gets the total after each page.
    report: Progress
    #: Of a sweep of the whole run; whoever asks for one learner needs none.
    lease: SweepLease | None = None
    counts: GenerationSummary = field(default_factory=lambda: GenerationSummary(runs=1))
    #: By learner: one who stands on the pages twice loses one certificate.
    _kept: dict[int, LearnerResult] = field(default_factory=dict)

    def work_through(self, user: User | None = None, *, patient: bool = True) -> None:
        """Store the grades of all learners or of one, and bring the certificates in line.

        Each page is committed by itself, while the next is being asked for.

        Args:
            user: only this learner.
            patient: whether nobody waits, so that what fails is asked for again.

        Raises OpenEdxError, CannotAsk, SweepOvertaken where the lease was lost, and Django's
        database errors; what came before them is done.
        """
        try:
            for page in fetch_grade_pages(self.run, user, patient=patient, alive=self._alive):
                self._alive()
                self._take(page)
                self.report(self.total)
            self._delete_what_was_kept()
        finally:
            # Of a run that broke off: they stay as they are.
            self._add(*self._kept.values())

    def fail(self, error: Exception) -> None:
        """Count and log that the run was not worked through to its end."""
        if isinstance(error, DatabaseFailure):
            let_lost_connection_go()
        for summary in (self.total, self.counts):
            summary.failed_runs.append(self.run.courseware_id)
        log.error(
            "course run was not swept to its end",
            extra={
                "course_id": self.run.courseware_id,
                "pages": self.counts.pages,
                "learners": self.counts.learners,
                **_describe_error(error),
            },
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
        certificates = self.run.courseruncertificates.count()
        percent = settings.CERTIFICATE_DELETIONS_MAX_PERCENT
        limit = max(settings.CERTIFICATE_DELETIONS_MAX, certificates * percent / 100)
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
            # Whoever was taken for dead deletes nothing.
            self._alive(at_once=True)
            users = list(self._kept)[: settings.EDX_API_PAGE_SIZE]
            page = GradePage([self._kept[user].as_reported() for user in users], [])
            results = self._settle(page)
            for user in users:
                del self._kept[user]
            self._add(*results)

    def _settle(self, page: GradePage) -> list[LearnerResult]:
        return settle_page(
            page, self.run, is_due=self.is_due, may_delete=self.may_delete, alive=self._alive
        )

    def _alive(self, *, at_once: bool = False) -> None:
        if self.lease is not None:
            self.lease.renew(at_once=at_once)

    def _add(self, *results: LearnerResult) -> None:
        for result in results:
            self.total.add(result)
            self.counts.add(result)


def sweep_under_lease(sweep: RunSweep, lease: SweepLease, started_on: datetime) -> None:
    """Sweep the whole run and give up the lease, and keep with the run what came of it.

    What goes wrong with the run is logged and counted, and not raised.

    Args:
        sweep: of the run.
        lease: on the run.
        started_on: when the sweep began, by the database's clock.
    """
    sweep.lease, started_at = lease, time.monotonic()
    result: dict[str, Any] = {}
    error: Exception | None = None
    try:
        try:
            sweep.work_through()
        except SweepOvertaken:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it is, the other runs go on
            sweep.fail(failure)
            error = failure
        result = _describe(sweep.counts, error, started_on)
        log.info(
            "sweep of course run finished",
            extra={
                "course_id": sweep.run.courseware_id,
                **sweep.counts.as_dict(),
                "failed_learners": sweep.counts.failed_learners,
                "seconds": round(time.monotonic() - started_at, 1),
                "error": result["error"] or None,
            },
        )
    except SweepOvertaken as overtaken:
        # What came of the run is for the other to tell.
        sweep.fail(overtaken)
    finally:
        give_up_lease(sweep.run, lease, **result)


def give_up_lease(run: CourseRun, lease: SweepLease, **result: Any) -> None:
    """Give up the lease and keep what came of the sweep; where the database fails, log that.

    Args:
        run: of the sweep.
        lease: runs out by itself where it can't be given up.
        **result: the columns that tell of the sweep.
    """
    try:
        lease.give_up(**result)
    except DatabaseFailure as error:
        let_lost_connection_go()
        log.error(  # noqa: TRY400 - its text can hold values
            "what came of a sweep was not kept",
            extra={"course_id": run.courseware_id, **describe_failure(error)},
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
    stack = "".join(traceback.format_tb(error.__traceback__))
    fields: dict[str, str | None] = {"error": type(error).__name__, "stack": stack}
    if isinstance(error, CannotAsk):
        fields["cause"] = str(error)
    return fields
