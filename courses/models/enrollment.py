"""Who takes a course run, and in which mode."""

from django.conf import settings
from django.db import models

from courses.models.audit import AuditModel
from courses.models.course import CourseRun
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENTS_PAID_MODES
from users.base_models import TimestampedModel

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


class CourseRunEnrollment(TimestampedModel):
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
