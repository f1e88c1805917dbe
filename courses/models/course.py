"""What is taught."""

from django.db import models

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
