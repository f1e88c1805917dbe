"""What is known of the sweeps of a course run."""

from datetime import timedelta

from django.db import models

from openedx_certificates.models.base import TimestampedModel, host_key

ERROR_TEXT_MAX_LENGTH = 255


class CourseRunSweep(TimestampedModel):
    """What the last sweep of a run came to, and the lease of one that is on; one row for each run.

    A sweep's lease runs out by itself.
    """

    course_run = host_key("courses.CourseRun", one_to_one=True, related_name="sweep")
    started_on = models.DateTimeField(
        null=True, blank=True, help_text="When the last sweep began that came to an end."
    )
    finished_on = models.DateTimeField(null=True, blank=True)
    pages = models.PositiveIntegerField(default=0, help_text="How many it worked through.")
    learners = models.PositiveIntegerField(default=0, help_text="How many it saw.")
    certificates_created = models.PositiveIntegerField(default=0)
    failed_learners = models.PositiveIntegerField(
        default=0, help_text="Learners whose grade or certificate the database did not take."
    )
    refused_grades = models.PositiveIntegerField(
        default=0, help_text="Open edX's grades that can be none."
    )
    error = models.CharField(
        max_length=32, blank=True, default="", help_text="Why it broke off, in one word."
    )
    error_text = models.CharField(max_length=ERROR_TEXT_MAX_LENGTH, blank=True, default="")
    lease = models.UUIDField(
        null=True, blank=True, editable=False, help_text="Names whoever sweeps it now."
    )
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(lease__isnull=True, leased_until__isnull=True)
                | models.Q(lease__isnull=False, leased_until__isnull=False),
                name="openedx_certificates_sweep_lease",
            ),
            models.CheckConstraint(
                condition=models.Q(started_on__isnull=True, finished_on__isnull=True)
                | models.Q(started_on__isnull=False, finished_on__isnull=False),
                name="openedx_certificates_sweep_times",
            ),
        ]

    def __str__(self) -> str:
        return f"sweep of run {self.course_run_id}"

    @property
    def took(self) -> timedelta | None:
        """How long the last sweep took; None before the first."""
        if self.started_on is None or self.finished_on is None:
            return None
        return self.finished_on - self.started_on
