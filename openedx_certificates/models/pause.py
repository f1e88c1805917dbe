"""What every process must know when Open edX is down."""

from typing import ClassVar

from django.db import models

from openedx_certificates.models.base import TimestampedModel
from openedx_certificates.models.request import LAST_ERROR_TEXT_MAX_LENGTH


class OpenEdxPause(TimestampedModel):
    """How Open edX has been doing for all of us; one row, kept for ever.

    While there is a time for the next probe, only the probe asks.
    """

    THE_ROW: ClassVar[int] = 1

    failures = models.PositiveIntegerField(
        default=0, help_text="How many questions failed in a row because Open edX is down."
    )
    since = models.DateTimeField(null=True, blank=True, help_text="When the pause began.")
    next_probe_on = models.DateTimeField(
        null=True, blank=True, help_text="When one question may be asked, to see whether it is up."
    )

    last_error_text = models.CharField(
        max_length=LAST_ERROR_TEXT_MAX_LENGTH,
        blank=True,
        db_default="",
        help_text="Why the last of them failed.",
    )

    class Meta:
        verbose_name = "pause of Open edX"
        verbose_name_plural = "pause of Open edX"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(pk=1), name="openedx_certificates_pause_one_row"
            ),
        ]

    def __str__(self) -> str:
        return f"paused since {self.since:%Y-%m-%d %H:%M}" if self.since else "no pause"

    @property
    def is_on(self) -> bool:
        """Whether questions wait for a probe to succeed."""
        return self.next_probe_on is not None
