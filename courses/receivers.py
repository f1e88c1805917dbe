"""What happens when rows are saved, by whichever part of the site."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from courses.api.payments import note_enrollment
from courses.models import CourseRunEnrollment


@receiver(post_save, sender=CourseRunEnrollment)
def look_for_a_payment(instance: CourseRunEnrollment, *, raw: bool, **_others: Any) -> None:
    """Open a request for a learner who has paid after passing; see `courses.api.payments`."""
    # What a fixture loads may refer to rows that are not there yet.
    if not raw:
        note_enrollment(instance)
