"""What an audit row holds, and how a row is written down in one."""

from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from users.base_models import TimestampedModel


def snapshot(row: models.Model) -> dict[str, Any]:
    """Return the row's columns by field name, as they stand in memory."""
    return {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}


class AuditModel(TimestampedModel):
    """One change of a row: how it was, how it became, and who did it."""

    acting_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty where a sync with Open edX made the change.",
    )
    data_before = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    data_after = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        abstract = True
