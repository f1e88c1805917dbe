"""What Open edX's plugin calls. A host builds its own webhooks of these parts."""

from openedx_certificates.webhooks.authentication import BearerTokenAuthentication
from openedx_certificates.webhooks.counting import webhook
from openedx_certificates.webhooks.permissions import HasRequiredScopes
from openedx_certificates.webhooks.replies import MirroredEnrollment
from openedx_certificates.webhooks.serializers import EnrollmentEventSerializer
from openedx_certificates.webhooks.views import (
    answered_by_the_app,
    edx_certificate_webhook,
    receive_event,
)

__all__ = [
    "BearerTokenAuthentication",
    "EnrollmentEventSerializer",
    "HasRequiredScopes",
    "MirroredEnrollment",
    "answered_by_the_app",
    "edx_certificate_webhook",
    "receive_event",
    "webhook",
]
