"""The periodic sweep: which runs are asked about now, and which may rest."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from courses.api.certificates import get_certificate_grade_eligible_runs
from courses.models import CourseRun, CourseRunEnrollment


def get_runs_to_sweep() -> QuerySet[CourseRun]:
    """Return the eligible runs that don't rest, first the one whose last sweep is longest ago.

    A run rests whose sweeps have found nothing new for a while (`backoff.rest_after`), so that the
    cost follows the activity and not the catalogue. It is woken by what can earn a certificate
    without a word of Open edX: the date for them comes, the run or an enrollment in it is changed.
    """
    now = timezone.now()
    changed_enrollments = CourseRunEnrollment.all_objects.filter(
        run=OuterRef("pk"), updated_on__gt=OuterRef("sweep__started_on")
    )
    is_awake = (
        Q(sweep__next_sweep_on__isnull=True)
        | Q(sweep__next_sweep_on__lte=now)
        | Q(updated_on__gt=F("sweep__started_on"))
        | Q(
            certificate_available_date__gt=F("sweep__started_on"),
            certificate_available_date__lte=now,
        )
        | Exists(changed_enrollments)
    )
    return (
        get_certificate_grade_eligible_runs(now)
        .filter(is_awake)
        .order_by(F("sweep__started_on").asc(nulls_first=True), "pk")
    )
