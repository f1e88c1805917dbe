"""What the app's tables have in common."""

from typing import Any

from django.conf import settings
from django.db import models


class TimestampedModel(models.Model):
    """A row that knows when it was made and when it was last saved.

    A queryset's `update()` does not touch `updated_on`: name it there.
    """

    created_on = models.DateTimeField(auto_now_add=True)
    updated_on = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


def user_key(**options: Any) -> Any:
    """Return a foreign key to the host's user; `host_key` says why it is one without a constraint."""
    return host_key(settings.AUTH_USER_MODEL, **options)


def host_key(model: str, *, one_to_one: bool = False, **options: Any) -> Any:
    """Return a foreign key to a table of the host.

    The database holds no constraint for it: a host that is set back to a version without this app
    must still be able to delete its own rows. Django deletes ours with them while the app is there;
    `held.replays.prune_requests` deletes what an older version left behind.
    """
    field = models.OneToOneField if one_to_one else models.ForeignKey
    return field(model, on_delete=models.CASCADE, db_constraint=False, **options)
