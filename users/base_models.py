"""What every model of this project has."""

from django.db import models


class TimestampedModel(models.Model):
    """A row that knows when it was made and when it was last saved.

    A queryset's `update()` does not touch `updated_on`: name it there.
    """

    created_on = models.DateTimeField(auto_now_add=True)
    updated_on = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
