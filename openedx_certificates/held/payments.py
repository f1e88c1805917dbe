"""A payment after passing: it opens a request, as an event of Open edX does.

The contract, section 4: the two come in any order, also in a run that the sweep has left behind.
"""

from collections.abc import Collection, Mapping
from functools import partial

from django.db import Error as DatabaseFailure
from django.db import transaction

from openedx_certificates import host
from openedx_certificates.conflicts import describe_failure
from openedx_certificates.held.queue import accept_payments
from openedx_certificates.held.wakeup import wake_worker
from openedx_certificates.logs import get_logger
from openedx_certificates.rules import CertificateOutcome, GradeOutcome, Verdict
from openedx_certificates.settings import app_settings

log = get_logger(__name__)


def note_enrollment(enrollment: host.Enrollment) -> None:
    """Open a request for the learner of an enrollment that was saved, if it pays for a passed grade.

    Does nothing while the mode is `off`. Costs no statement if the enrollment is not active or not
    paid. Otherwise it costs one after the commit: an event that is worked on at the same moment
    looks for payments after its own commit, so that one of the two sees the other. In a caller's
    transaction it costs another before that: the payment and the request are committed together,
    or neither is. That one raises Django's database errors; what fails after the commit is logged.
    """
    is_paid = enrollment.active and enrollment.enrollment_mode in host.paid_modes()
    if not (is_paid and app_settings.holds_events):
        return
    run, users = enrollment.run_id, [enrollment.user_id]
    if transaction.get_connection().in_atomic_block and (held := accept_payments(run, users)):
        transaction.on_commit(partial(_announce, run, held))
    else:
        transaction.on_commit(partial(_hold, run, users))


def find_late_payments(course_run: int, verdicts: Mapping[int, Verdict]) -> None:
    """Open requests for learners with a grade just stored as passed and not paid, if they paid meanwhile.

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
    if unpaid and app_settings.holds_events:
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
        _announce(course_run, held)


def _announce(course_run: int, requests: int) -> None:
    log.info(
        "paid after passing: certificate requests opened",
        extra={"run_id": course_run, "requests": requests},
    )
    wake_worker()
