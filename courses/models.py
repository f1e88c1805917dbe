"""What MITx Online knows of courses, learners, grades and certificates, as far as the app relies on it.

Names and traits are MITx Online's: audit columns without an encoder, `to_dict()` of each model, and
a certificate with a `save()` that does more than store a row.
"""

import uuid
from datetime import date
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now

from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENTS_PAID_MODES
from users.base_models import TimestampedModel

COURSEWARE_ID_MAX_LENGTH = 255


class Course(TimestampedModel):
    """A course, which is given in runs."""

    title = models.CharField(max_length=255)
    readable_id = models.CharField(
        max_length=255, unique=True, help_text="Such as course-v1:MITx+6.00x"
    )
    live = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.readable_id} | {self.title}"


class CourseRun(TimestampedModel):
    """A course given once, from a start to an end, on Open edX."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="courseruns")
    title = models.CharField(max_length=255)
    courseware_id = models.CharField(
        max_length=COURSEWARE_ID_MAX_LENGTH,
        unique=True,
        help_text="Open edX's course id, such as course-v1:MITx+6.00x+1T2026",
    )
    run_tag = models.CharField(max_length=100, help_text="Such as 1T2026")
    start_date = models.DateTimeField(null=True, blank=True)
    end_date = models.DateTimeField(null=True, blank=True)
    certificate_available_date = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From when on certificates are issued; a self-paced run does not wait for it.",
    )
    enrollment_start = models.DateTimeField(null=True, blank=True)
    enrollment_end = models.DateTimeField(null=True, blank=True)
    expiration_date = models.DateTimeField(null=True, blank=True)
    upgrade_deadline = models.DateTimeField(null=True, blank=True)
    live = models.BooleanField(default=False)
    is_self_paced = models.BooleanField(default=False)
    variant = models.CharField(
        max_length=20,
        blank=True,
        db_default="",
        help_text="What the run is a variant in, such as language; empty if it is none.",
    )

    class Meta:
        indexes = [
            # The sweep looks for the live runs around a date; most of a catalogue is long over.
            models.Index(
                fields=["certificate_available_date"],
                condition=models.Q(live=True),
                name="courses_run_live_cert_date",
            )
        ]

    def __str__(self) -> str:
        return f"{self.courseware_id} | {self.title}"


class AuditModel(TimestampedModel):
    """One change of a row: how it was, how it became, and its author."""

    acting_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty if a sync with Open edX made the change.",
    )
    data_before = models.JSONField(null=True, blank=True)
    data_after = models.JSONField(null=True, blank=True)

    class Meta:
        abstract = True


class AuditableModel(TimestampedModel):
    """A row with a record of its changes."""

    class Meta:
        abstract = True

    def to_dict(self) -> dict[str, Any]:
        """Return the columns by field name, in types that JSON has."""
        return {
            field.name: _to_json(field.value_from_object(self))
            for field in self._meta.concrete_fields
        }

    @transaction.atomic
    def save_and_log(self, acting_user: Any) -> Self:
        """Save the row, and record how it was and how it became."""
        before = type(self)._base_manager.filter(pk=self.pk).first()
        self.save()
        row: Any = self
        row.audits.create(
            acting_user=acting_user,
            data_before=before and before.to_dict(),
            data_after=self.to_dict(),
        )
        return self


def _to_json(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


ENROLLMENT_MODE_MAX_LENGTH = 20
# Values of `change_status`: the money was given back, or counts for another run.
ENDS_OF_A_PAYMENT = ("refunded", "deferred", "transferred")


class ActiveEnrollmentManager(models.Manager["CourseRunEnrollment"]):
    """Shows the enrollments that hold now."""

    def get_queryset(self) -> models.QuerySet["CourseRunEnrollment"]:
        return super().get_queryset().filter(active=True)

    def paid(self) -> models.QuerySet["CourseRunEnrollment"]:
        """Return those that earn a certificate when the learner passes.

        An account that was given up is deactivated and made anonymous, and its enrollments can stay:
        they earn nothing new.
        """
        return self.filter(enrollment_mode__in=EDX_ENROLLMENTS_PAID_MODES, user__is_active=True)


class CourseRunEnrollment(AuditableModel):
    """A learner's enrollment in a course run."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="courserunenrollments",
        # The unique constraint's index begins with the user.
        db_index=False,
    )
    run = models.ForeignKey(CourseRun, on_delete=models.CASCADE, related_name="enrollments")
    enrollment_mode = models.CharField(
        max_length=ENROLLMENT_MODE_MAX_LENGTH, default=EDX_ENROLLMENT_AUDIT_MODE
    )
    active = models.BooleanField(default=True)
    change_status = models.CharField(  # noqa: DJ001 - null over there, too
        max_length=20, null=True, blank=True, help_text="Why it is not active, such as refunded."
    )
    edx_enrolled = models.BooleanField(
        default=False, help_text="Whether Open edX knows of the enrollment."
    )

    objects = ActiveEnrollmentManager()
    all_objects = models.Manager["CourseRunEnrollment"]()

    class Meta:
        # The admin, a form's check of uniqueness and `run.enrollments` must not overlook a row
        # that the unique constraint sees.
        default_manager_name = "all_objects"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "run"], name="courses_courserunenrollment_user_run_unique"
            )
        ]

    def __str__(self) -> str:
        return f"enrollment of user {self.user_id} in run {self.run_id}"


class CourseRunEnrollmentAudit(AuditModel):
    """One change of an enrollment."""

    enrollment = models.ForeignKey(
        CourseRunEnrollment, on_delete=models.SET_NULL, null=True, related_name="audits"
    )

    def __str__(self) -> str:
        return f"change of enrollment {self.enrollment_id}"


# A stored grade of exactly this means that there must be no certificate.
NO_CERTIFICATE_GRADE = 0.0


class CourseRunGrade(AuditableModel):
    """A learner's grade in a course run, as Open edX or an administrator gave it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="courserungrades",
        # The unique constraint's index begins with the user.
        db_index=False,
    )
    course_run = models.ForeignKey(CourseRun, on_delete=models.CASCADE, related_name="grades")
    grade = models.FloatField(help_text="0.0 to 1.0, above where extra points are given.")
    letter_grade = models.CharField(  # noqa: DJ001 - null over there, too
        max_length=10, null=True, blank=True
    )
    passed = models.BooleanField(default=False)
    set_by_admin = models.BooleanField(
        default=False, help_text="Open edX never overwrites what an administrator set."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "course_run"], name="courses_courserungrade_user_run_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"grade of user {self.user_id} in run {self.course_run_id}"

    @property
    def is_certificate_eligible(self) -> bool:
        """Whether an active user has earned a certificate: passed, and enrolled in a paid mode now."""
        return (
            self.passed
            and self.grade > NO_CERTIFICATE_GRADE
            and CourseRunEnrollment.objects.paid()
            .filter(user_id=self.user_id, run_id=self.course_run_id)
            .exists()
        )


class CourseRunGradeAudit(AuditModel):
    """One change of a grade."""

    course_run_grade = models.ForeignKey(
        CourseRunGrade, on_delete=models.SET_NULL, null=True, related_name="audits"
    )

    def __str__(self) -> str:
        return f"change of grade {self.course_run_grade_id}"


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
    certificate_page_revision = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text="How the page looked when it was issued."
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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and keep the revision of the course's certificate page when it is issued."""
        if self.certificate_page_revision is None:
            page = getattr(self.course_run.course, "certificate_page", None)
            self.certificate_page_revision = page and page.revision
        super().save(*args, **kwargs)

    @property
    def link(self) -> str:
        """The address of the certificate's page, without scheme and host."""
        return f"/certificate/{self.uuid}/"
