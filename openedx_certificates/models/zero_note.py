"""That Open edX reported a 0.0 which is not acted on yet."""

from django.db import models
from django.db.models.functions import Now

from openedx_certificates.models.base import TimestampedModel


class ZeroNote(TimestampedModel):
    """When Open edX first reported a grade of 0.0 for a learner with a certificate.

    It names the certificate by its uuid and refers to no row: a certificate that is issued again
    has another uuid, and no note.
    """

    certificate_uuid = models.UUIDField(unique=True)
    reported_on = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"0.0 reported for certificate {self.certificate_uuid}"
