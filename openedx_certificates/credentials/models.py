"""What was signed, and with which key."""

from django.db import models

from openedx_certificates.models.base import TimestampedModel


class Credential(TimestampedModel):
    """A credential as it was signed once; it outlives its certificate.

    It names the certificate by its uuid and refers to no row: a deleted certificate stays on the list of
    those that were revoked.
    """

    certificate_uuid = models.UUIDField(unique=True)
    status_index = models.PositiveIntegerField(
        unique=True, help_text="Its place in the lists that tell which were revoked."
    )
    key_id = models.CharField(max_length=64, help_text="The public key that verifies it.")
    signed = models.JSONField(help_text="The credential, with its proof.")

    def __str__(self) -> str:
        return f"credential of certificate {self.certificate_uuid}"

    @classmethod
    def list_key_ids(cls) -> list[str]:
        """Return the public keys with which anything was signed."""
        return list(cls.objects.order_by("key_id").values_list("key_id", flat=True).distinct())
