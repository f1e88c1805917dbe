"""What we hold of an event from the moment it is accepted until it is settled."""

from django.db import models
from django.db.models.functions import Now

from openedx_certificates.models.base import TimestampedModel, host_key, user_key

LAST_ERROR_TEXT_MAX_LENGTH = 255


class CertificateRequest(TimestampedModel):
    """An event that says that a learner has passed a run; held until it is settled.

    A learner has at most one open request of a run: another event of the same joins it. The process
    that works on it has a lease, which runs out by itself.
    """

    class Status(models.TextChoices):
        """Open, or how it was settled."""

        OPEN = "open"
        CREATED = "created"
        EXISTS = "exists"
        REVOKED = "revoked"
        NOT_ELIGIBLE = "not_eligible"
        FAILED = "failed"

    class Reason(models.TextChoices):
        """Why a learner is not eligible; on an open request, what the last answer was."""

        NONE = "", "-"
        NOT_PASSED = "grade_not_passed"
        NO_PAID_ENROLLMENT = "no_paid_enrollment"

    class OwnFailure(models.TextChoices):
        """Failures that are not one of `openedx_certificates.wire.exceptions`: the word, and the sentence."""

        DATABASE = "database", "The database did not take the grade; the log has more."
        INTERNAL = "internal", "The work ended in an error of ours; the log has more."
        PAUSED = "paused", "Open edX is down, and was not asked."

    user = user_key(related_name="certificate_requests")
    course_run = host_key("courses.CourseRun", related_name="certificate_requests")
    # Defaults of the database: the row is made by one statement of `request_queue.accept_request`.
    status = models.CharField(max_length=16, choices=Status, db_default=Status.OPEN)
    reason = models.CharField(max_length=32, choices=Reason, blank=True, db_default=Reason.NONE)
    deliveries = models.PositiveIntegerField(
        db_default=1, help_text="How many events and replays it stands for."
    )
    attempts = models.PositiveIntegerField(
        db_default=0, help_text="How often somebody took it up to ask Open edX."
    )
    not_passed_answers = models.PositiveIntegerField(
        db_default=0, help_text="How often Open edX said “not passed” since the last event."
    )
    ignores_pause = models.BooleanField(
        db_default=False, help_text="An administrator's replay does not wait for a pause to end."
    )
    last_delivered_on = models.DateTimeField(db_default=Now())
    last_attempt_on = models.DateTimeField(null=True, blank=True)
    next_attempt_on = models.DateTimeField(db_default=Now())
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when Open edX could not tell."
    )
    settled_on = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(
        max_length=32, blank=True, db_default="", help_text="The last failure, in one word."
    )
    last_error_text = models.CharField(
        max_length=LAST_ERROR_TEXT_MAX_LENGTH, blank=True, db_default=""
    )
    lease = models.UUIDField(
        null=True, blank=True, editable=False, help_text="Names whoever works on it now."
    )
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "course_run"],
                condition=models.Q(status="open"),
                name="openedx_certificates_request_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(status="open", settled_on__isnull=True)
                | (~models.Q(status="open") & models.Q(settled_on__isnull=False)),
                name="openedx_certificates_request_settled_on",
            ),
            models.CheckConstraint(
                condition=models.Q(lease__isnull=True, leased_until__isnull=True)
                | models.Q(lease__isnull=False, leased_until__isnull=False),
                name="openedx_certificates_request_lease",
            ),
        ]
        indexes = [
            # Few of the rows are open, and all the work looks for those.
            models.Index(
                fields=["next_attempt_on"],
                condition=models.Q(status="open"),
                name="certificates_request_due",
            ),
            models.Index(
                fields=["lease"],
                condition=models.Q(lease__isnull=False),
                name="certificates_request_lease",
            ),
            models.Index(
                fields=["settled_on"],
                condition=models.Q(settled_on__isnull=False),
                name="certificates_request_settled",
            ),
            models.Index(fields=["status", "-id"], name="certificates_request_status"),
        ]

    def __str__(self) -> str:
        return f"{self.status} request of user {self.user_id} in run {self.course_run_id}"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be settled."""
        return self.status == self.Status.OPEN
