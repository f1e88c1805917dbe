"""What other apps may ask of courses."""

from courses.api.certificates import (
    CertificateOutcome,
    find_certificate,
    get_certificate_grade_eligible_runs,
    manage_course_run_certificate_access,
    process_course_run_grade_certificate,
)
from courses.api.enrollments import change_enrollment, create_local_enrollment
from courses.api.generation import (
    GenerationSummary,
    count_learners_to_sweep,
    generate_course_run_certificates,
)
from courses.api.grades import ensure_course_run_grade, override_user_grade

__all__ = [
    "CertificateOutcome",
    "GenerationSummary",
    "change_enrollment",
    "count_learners_to_sweep",
    "create_local_enrollment",
    "ensure_course_run_grade",
    "find_certificate",
    "generate_course_run_certificates",
    "get_certificate_grade_eligible_runs",
    "manage_course_run_certificate_access",
    "override_user_grade",
    "process_course_run_grade_certificate",
]
