"""What hangs on a certificate: whatever saves one, the sales system is told of it after the commit."""

import logging
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from courses.models import CourseRunCertificate

log = logging.getLogger(__name__)


@receiver(post_save, sender=CourseRunCertificate)
def tell_sales(instance: CourseRunCertificate, *, created: bool, **_others: Any) -> None:
    """Tell of the new certificate. There is no sales system here, so that the log alone hears it."""
    if created:
        transaction.on_commit(
            partial(log.debug, "sales told of certificate %s", str(instance.uuid))
        )
