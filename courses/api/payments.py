"""A learner who pays after passing: the payment opens a request, as an event of Open edX does.

The contract, section 4: the two come in any order, also in a run that the sweep has left behind.
"""

import logging
from collections.abc import Collection, Mapping
from functools import partial

from django.db import Error as DatabaseFailure
from django.db import transaction

from courses.api.conflicts import describe_failure
from courses.api.request_queue import accept_payments
from courses.api.rules import CertificateOutcome, GradeOutcome, Verdict
from courses.api.wakeup import wake_worker
from courses.models import CourseRunEnrollment
from openedx.constants import EDX_ENROLLMENTS_PAID_MODES

log = logging.getLogger(__name__)


def note_enrollment(enrollment: CourseRunEnrollment) -> None:
    """Open a request for the learner of an enrollment that was saved, if it pays for a passed grade.

    Costs no statement if the enrollment is not active or not paid, and one otherwise, after the
    commit: whoever processes an event at the same moment looks for payments after its own commit,
    so that one of the two sees the other. What fails is logged and costs the caller nothing.
    """
    if enrollment.active and enrollment.enrollment_mode in EDX_ENROLLMENTS_PAID_MODES:
        transaction.on_commit(partial(_hold, enrollment.run_id, [enrollment.user_id]))


def find_late_payments(course_run: int, verdicts: Mapping[int, Verdict]) -> None:
    """Open requests for those whose grade was just stored as passed and not paid, and who paid meanwhile.

    Args:
        course_run: the run's key.
        verdicts: what was written, by the learners' ids; it is committed.
    """
    unpaid = [
        user
        for user, verdict in verdicts.items()
        if verdict.certificate is CertificateOutcome.NO_PAID_ENROLLMENT
        and verdict.grade in (GradeOutcome.CREATED, GradeOutcome.UPDATED)
    ]
    if unpaid:
        _hold(course_run, unpaid)


def _hold(course_run: int, users: Collection[int]) -> None:
    try:
        held = accept_payments(course_run, users)
    except DatabaseFailure as error:
        log.error(  # noqa: TRY400 - its text can hold values
            "payments after passing were not looked for",
            extra={"run_id": course_run, "user_ids": list(users), **describe_failure(error)},
        )
        return
    if held:
        log.info(
            "paid after passing: certificate requests opened",
            extra={"run_id": course_run, "requests": held},
        )
        wake_worker()
