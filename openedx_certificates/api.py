"""What a host may ask of the app; it reaches no deeper.

A host's `courses.api` may import this module while models are being loaded: nothing here, and nothing
that it imports, touches a manager or a module of the host at import.
"""

from uuid import UUID

from openedx_certificates.attempts.intake import request_certificate
from openedx_certificates.attempts.passes import (
    ProcessingSummary,
    count_requests,
    process_requests,
)
from openedx_certificates.clock import database_now
from openedx_certificates.conflicts import describe_failure, repeat_on_conflict
from openedx_certificates.held.payments import note_enrollment
from openedx_certificates.held.replays import prune_requests, reopen, settle_as_failed
from openedx_certificates.held.wakeup import wake_worker
from openedx_certificates.host import snapshot
from openedx_certificates.issuing.certificates import (
    apply_grade,
    are_certificates_due,
    manage_course_run_certificate_access,
    process_course_run_grade_certificate,
    set_revoked,
)
from openedx_certificates.issuing.fetching import fetch_grades_with_users
from openedx_certificates.issuing.grades import ensure_course_run_grade, override_user_grade
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.public_names import get_public_name
from openedx_certificates.rules import NO_CERTIFICATE_GRADE, CertificateOutcome
from openedx_certificates.settings import Mode, app_settings
from openedx_certificates.sweeps.generation import (
    count_learners_to_sweep,
    generate_course_run_certificates,
)
from openedx_certificates.sweeps.leases import RunIsSwept
from openedx_certificates.sweeps.periodic import get_runs_to_sweep, sweep_unless_swept_since
from openedx_certificates.sweeps.summaries import GenerationSummary
from openedx_certificates.wire.exceptions import CannotAsk, OpenEdxError
from openedx_certificates.wire.grades import (
    EDX_GRADE_MAX,
    EDX_GRADE_MIN,
    EDX_LETTER_GRADE_MAX_LENGTH,
)

__all__ = [
    "EDX_GRADE_MAX",
    "EDX_GRADE_MIN",
    "EDX_LETTER_GRADE_MAX_LENGTH",
    "NO_CERTIFICATE_GRADE",
    "CannotAsk",
    "CertificateOutcome",
    "GenerationSummary",
    "Mode",
    "OpenEdxError",
    "ProcessingSummary",
    "RunIsSwept",
    "apply_grade",
    "are_certificates_due",
    "count_learners_to_sweep",
    "count_requests",
    "database_now",
    "describe_failure",
    "ensure_course_run_grade",
    "fetch_grades_with_users",
    "generate_course_run_certificates",
    "get_mode",
    "get_public_name",
    "get_runs_to_sweep",
    "manage_course_run_certificate_access",
    "note_enrollment",
    "override_user_grade",
    "process_course_run_grade_certificate",
    "process_requests",
    "prune_requests",
    "reopen",
    "repeat_on_conflict",
    "request_certificate",
    "set_revoked",
    "settle_as_failed",
    "snapshot",
    "sweep_unless_swept_since",
    "wake_worker",
    "was_deleted",
]


def get_mode() -> Mode:
    """Return how much of the work is the app's. A host asks it in the task that starts its sweep."""
    return app_settings.mode


def was_deleted(certificate_uuid: UUID) -> bool:
    """Return whether there was a certificate with this uuid that a grade of 0.0 took away."""
    return CourseRunCertificateDeletion.objects.filter(certificate_uuid=certificate_uuid).exists()
