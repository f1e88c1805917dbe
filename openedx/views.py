"""The webhooks that Open edX's plugin calls: the app's own, and the mirror of enrollments."""

import logging

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from courses.api import create_local_enrollment
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE
from openedx_certificates.webhooks import (
    BearerTokenAuthentication,
    EnrollmentEventSerializer,
    HasRequiredScopes,
    MirroredEnrollment,
    edx_certificate_webhook,
    receive_event,
    webhook,
)

__all__ = ["edx_certificate_webhook", "edx_enrollment_webhook"]

log = logging.getLogger(__name__)


@webhook("enrollment")
@extend_schema(exclude=True)
@api_view(["POST"])
@authentication_classes([BearerTokenAuthentication])
@permission_classes([IsAdminUser, HasRequiredScopes])
def edx_enrollment_webhook(request: Request) -> Response:
    """Mirror an enrollment that was made inside Open edX."""
    # 201: new here. 200: it was here, and is active now. 404: the user or the run is not known
    # here yet; the plugin drops the event. 503: our database failed; the plugin repeats.
    user, run, event = receive_event("enrollment", request, EnrollmentEventSerializer)
    enrollment, created = create_local_enrollment(
        user, run, mode=event.get("mode") or EDX_ENROLLMENT_AUDIT_MODE
    )
    log.info(
        "enrollment webhook answered",
        extra={
            "user_id": user.pk,
            "course_id": run.courseware_id,
            "enrollment_id": enrollment.pk,
            "is_new": created,
        },
    )
    reply: MirroredEnrollment = {
        "message": "Enrollment created." if created else "Enrollment exists.",
        "enrollment_id": enrollment.pk,
        "active": enrollment.active,
        "edx_enrolled": enrollment.edx_enrolled,
    }
    return Response(reply, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)
