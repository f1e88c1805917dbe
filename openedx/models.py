"""A learner's account on Open edX."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from openedx.constants import EDX_USERNAME_MAX_LENGTH, PLATFORM_EDX
from users.base_models import TimestampedModel


class OpenEdxUser(TimestampedModel):
    """A learner's account on Open edX."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="openedx_users",
        # The unique constraint's index begins with the user.
        db_index=False,
    )
    platform = models.CharField(
        max_length=20, choices=[(PLATFORM_EDX, "Open edX")], default=PLATFORM_EDX
    )
    edx_username = models.CharField(
        max_length=EDX_USERNAME_MAX_LENGTH, unique=True, null=True, blank=True
    )
    has_been_synced = models.BooleanField(
        default=True, help_text="Whether the account exists on Open edX."
    )
    has_sync_error = models.BooleanField(default=False)
    sync_error_data = models.JSONField(null=True, blank=True)

    class Meta:
        verbose_name = "Open edX user"
        # Open edX answers usernames in a case of its own. Not unique: that is for Open edX to say.
        indexes = [models.Index(Lower("edx_username"), name="openedx_edx_username_lower")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "platform"], name="openedx_openedxuser_user_platform_unique"
            )
        ]

    def __str__(self) -> str:
        return self.edx_username or f"user {self.user_id}, no username yet"
