"""How certificates look. This module imports `courses.api` while models load, as MITx Online's does."""

from django.db import models

from courses.api import get_certificate_grade_eligible_runs
from openedx_certificates.api import database_now
from users.base_models import TimestampedModel


class CertificatePage(TimestampedModel):
    """The certificate of a course. Each certificate keeps the revision with which it was issued."""

    course = models.OneToOneField(
        "courses.Course", on_delete=models.CASCADE, related_name="certificate_page"
    )
    revision = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"certificate page of course {self.course_id}"

    @property
    def is_in_use(self) -> bool:
        """Whether a run of the course still issues certificates."""
        runs = get_certificate_grade_eligible_runs(database_now())
        return runs.filter(course=self.course_id).exists()
