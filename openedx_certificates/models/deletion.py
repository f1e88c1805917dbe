"""What is kept of a certificate that a grade of 0.0 took away."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from openedx_certificates.models.base import TimestampedModel, host_key, user_key


class CourseRunCertificateDeletion(TimestampedModel):
    """The record of a certificate that was deleted, and why."""

    user = user_key(related_name="certificate_deletions")
    course_run = host_key("courses.CourseRun", related_name="certificate_deletions")
    certificate_uuid = models.UUIDField(db_index=True)
    certificate = models.JSONField(
        encoder=DjangoJSONEncoder, help_text="The certificate's row as it was."
    )
    grade = models.JSONField(
        encoder=DjangoJSONEncoder, help_text="The row of the grade that took it away."
    )
    reason = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"deletion of certificate {self.certificate_uuid}"
