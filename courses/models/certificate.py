"""What a learner gets for passing."""

import uuid

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now

from courses.models.course import CourseRun
from users.base_models import TimestampedModel


class IssuedCertificateManager(models.Manager["CourseRunCertificate"]):
    """Shows the certificates that are valid now: not revoked, and issued by now."""

    def get_queryset(self) -> models.QuerySet["CourseRunCertificate"]:
        return super().get_queryset().filter(is_revoked=False, issue_date__lte=Now())


class CourseRunCertificate(TimestampedModel):
    """A learner's certificate of a course run."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="courseruncertificates",
        # The unique constraint's index begins with the user.
        db_index=False,
    )
    course_run = models.ForeignKey(
        CourseRun, on_delete=models.CASCADE, related_name="courseruncertificates"
    )
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    is_revoked = models.BooleanField(
        default=False, help_text="Only an administrator revokes a certificate, or gives it back."
    )
    issue_date = models.DateTimeField(null=True, blank=True, db_default=Now())
    zero_reported_on = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When Open edX first reported a grade of 0.0 that is not acted on yet.",
    )

    objects = IssuedCertificateManager()
    all_objects = models.Manager["CourseRunCertificate"]()

    class Meta:
        # The admin, a form's check of uniqueness and `run.courseruncertificates` must not overlook
        # a revoked row, which the unique constraint sees.
        default_manager_name = "all_objects"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "course_run"], name="courses_courseruncertificate_user_run_unique"
            )
        ]
        indexes = [
            # How many came in a day is asked again and again, of a table as long as all the years.
            models.Index(fields=["created_on"], name="courses_certificate_created")
        ]

    def __str__(self) -> str:
        return f"certificate {self.uuid}"

    @property
    def link(self) -> str:
        """The address of the certificate's page, without scheme and host."""
        return f"/certificate/{self.uuid}/"


class CourseRunCertificateDeletion(TimestampedModel):
    """The record of a certificate that was deleted, and why."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="certificate_deletions"
    )
    course_run = models.ForeignKey(
        CourseRun, on_delete=models.CASCADE, related_name="certificate_deletions"
    )
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
