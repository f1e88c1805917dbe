"""How well a learner did in a course run."""

from django.conf import settings
from django.db import models

from courses.models.audit import AuditModel
from courses.models.course import CourseRun
from courses.models.enrollment import CourseRunEnrollment
from openedx.constants import (
    EDX_GRADE_MAX,
    EDX_GRADE_MIN,
    EDX_LETTER_GRADE_MAX_LENGTH,
)
from users.base_models import TimestampedModel

# A stored grade of exactly this means that there shall be no certificate.
NO_CERTIFICATE_GRADE = 0.0


class CourseRunGrade(TimestampedModel):
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
        max_length=EDX_LETTER_GRADE_MAX_LENGTH, null=True, blank=True
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
            # PostgreSQL orders NaN above every number, so the range keeps it out as well.
            models.CheckConstraint(
                condition=models.Q(grade__gte=EDX_GRADE_MIN, grade__lte=EDX_GRADE_MAX),
                name="courses_courserungrade_grade_range",
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
