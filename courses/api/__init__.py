"""What other apps may ask of courses."""

from courses.api.certificates import (
    get_certificate_grade_eligible_runs,
    manage_course_run_certificate_access,
    process_course_run_grade_certificate,
)
from courses.api.enrollments import change_enrollment, create_local_enrollment
from courses.api.generation import count_learners_to_sweep, generate_course_run_certificates
from courses.api.grades import ensure_course_run_grade, override_user_grade
from courses.api.periodic_sweeps import get_runs_to_sweep, sweep_unless_swept_since
from courses.api.processing import ProcessingSummary, count_requests, process_requests
from courses.api.replays import prune_requests, reopen, settle_as_failed
from courses.api.requests import request_certificate
from courses.api.rules import CertificateOutcome
from courses.api.summaries import GenerationSummary
from courses.api.sweep_leases import RunIsSwept
from courses.api.wakeup import wake_worker

__all__ = [
    "CertificateOutcome",
    "GenerationSummary",
    "ProcessingSummary",
    "RunIsSwept",
    "change_enrollment",
    "count_learners_to_sweep",
    "count_requests",
    "create_local_enrollment",
    "ensure_course_run_grade",
    "generate_course_run_certificates",
    "get_certificate_grade_eligible_runs",
    "get_runs_to_sweep",
    "manage_course_run_certificate_access",
    "override_user_grade",
    "process_course_run_grade_certificate",
    "process_requests",
    "prune_requests",
    "reopen",
    "request_certificate",
    "settle_as_failed",
    "sweep_unless_swept_since",
    "wake_worker",
]
