"""What other apps may ask of courses. Certificates and the grades they rest on are the app's work.

Model modules elsewhere import this one while models load: what is looked up there is looked up when
it is asked for.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from courses.enrollments import change_enrollment, create_local_enrollment
from courses.models import CourseRun
from openedx_certificates.api import (
    ensure_course_run_grade,
    generate_course_run_certificates,
    manage_course_run_certificate_access,
    override_user_grade,
    process_course_run_grade_certificate,
)

__all__ = [
    "change_enrollment",
    "create_local_enrollment",
    "ensure_course_run_grade",
    "generate_course_run_certificates",
    "get_certificate_grade_eligible_runs",
    "manage_course_run_certificate_access",
    "override_user_grade",
    "process_course_run_grade_certificate",
]

# A variant in another respect is no course of its own: its grades count for the run it varies.
_VARIANTS_WITH_CERTIFICATES = ("", "language")


def get_certificate_grade_eligible_runs(now: datetime) -> QuerySet[CourseRun]:
    """Return the runs the sweep looks at: live, and not closed for certificates.

    A run closes CERTIFICATE_CREATION_WINDOW_IN_DAYS after its certificates became available; one
    without that date stays open. Variants other than of language are left out.
    """
    closed_before = now - timedelta(days=settings.CERTIFICATE_CREATION_WINDOW_IN_DAYS)
    return CourseRun.objects.filter(
        Q(certificate_available_date__isnull=True)
        | Q(certificate_available_date__gt=closed_before),
        live=True,
        variant__in=_VARIANTS_WITH_CERTIFICATES,
    )
