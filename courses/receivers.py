"""What hangs on a certificate: whatever saves one, the sales system is told of it after the commit."""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from courses.models import CertificateSync, CourseRunCertificate


@receiver(post_save, sender=CourseRunCertificate)
def sync_certificate(instance: CourseRunCertificate, *, created: bool, **_others: Any) -> None:
    """Have the new certificate told of."""
    if created:
        transaction.on_commit(
            partial(CertificateSync.objects.get_or_create, certificate_uuid=instance.uuid)
        )
