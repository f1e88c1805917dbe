"""What happens when the host saves an enrollment, by whichever part of it."""

from typing import Any

from django.db.models.signals import post_save

from openedx_certificates.held.payments import note_enrollment


def look_for_a_payment(instance: Any, *, raw: bool, **_others: Any) -> None:
    """Open a request for a payment after passing; see `held.payments`."""
    # What a fixture loads may refer to rows that are not there yet.
    if not raw:
        note_enrollment(instance)


post_save.connect(
    look_for_a_payment,
    sender="courses.CourseRunEnrollment",
    dispatch_uid="openedx_certificates.look_for_a_payment",
)
