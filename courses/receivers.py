"""What hangs on a certificate: whatever saves one, the sales system is told of it."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from courses.models import CertificateSync, CourseRunCertificate


@receiver(post_save, sender=CourseRunCertificate)
def sync_certificate(instance: CourseRunCertificate, *, created: bool, **_others: Any) -> None:
    """Have the new certificate told of."""
    if created:
        CertificateSync.objects.create(certificate_uuid=instance.uuid)
