"""The webhooks that Open edX's plugin calls."""

import logging
import re
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from courses.api import create_local_enrollment, request_certificate
from courses.models import CourseRun
from openedx.authentication import BearerTokenAuthentication
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE
from openedx.event_outcomes import counts_events
from openedx.events import read_event, takes_json_events, takes_post_alone
from openedx.exceptions import NotKnownHere
from openedx.permissions import HasRequiredScopes
from openedx.replies import CERTIFICATE_REPLIES, DEFERRED, MirroredEnrollment
from openedx.serializers import CertificateEventSerializer, EnrollmentEventSerializer
from users.emails import mask_email
from users.models import User

log = logging.getLogger(__name__)

# As opaque-keys writes them: `course-v1:ORG+COURSE+RUN`, a part of a course for a coach,
# `ccx-v1:ORG+COURSE+RUN+ccx@NUMBER`, and the old `ORG/COURSE/RUN`. A part may be missing: who must
# find the mistake sees the id. No address is of this form, since a number is no domain.
_COURSE_KEY = re.compile(
    r"(?:course|ccx)-v1:[\w.~:-]+(?:\+[\w.~:-]+)*(?:\+ccx@[0-9]+)?|[\w.~-]+(?:/[\w.~-]+){2}"
)


@counts_events("certificate")
@extend_schema(exclude=True)
@takes_post_alone
@api_view(["POST"])
@takes_json_events
@authentication_classes([BearerTokenAuthentication])
@permission_classes([IsAdminUser, HasRequiredScopes])
def edx_certificate_webhook(request: Request) -> Response:
    """Issue the certificate of a learner who has passed a course, if it is earned.

    The event is a hint: whether the learner passed is asked of Open edX, now or later.
    """
    # 2xx: a promise. The certificate exists, or the request is held until it is settled, and the
    # plugin may forget the event. 503: our database failed; the plugin repeats within seconds.
    # Other 4xx: the event will never be taken; the plugin repeats it all the same.
    user, run, _event = _receive("certificate", request, CertificateEventSerializer)
    outcome = request_certificate(user, run)
    log.info(
        "certificate webhook answered",
        extra={**_ids(user, run), "outcome": str(outcome or "deferred")},
    )
    if outcome is None:
        return Response(DEFERRED, status=status.HTTP_202_ACCEPTED)
    return Response(CERTIFICATE_REPLIES[outcome])


@counts_events("enrollment")
@extend_schema(exclude=True)
@takes_post_alone
@api_view(["POST"])
@takes_json_events
@authentication_classes([BearerTokenAuthentication])
@permission_classes([IsAdminUser, HasRequiredScopes])
def edx_enrollment_webhook(request: Request) -> Response:
    """Mirror an enrollment that was made inside Open edX."""
    # 201: new here. 200: it was here, and is active now. 404: the user or the run is not known
    # here yet; the plugin drops the event. 503: our database failed; the plugin repeats.
    user, run, event = _receive("enrollment", request, EnrollmentEventSerializer)
    enrollment, created = create_local_enrollment(
        user, run, mode=event.get("mode") or EDX_ENROLLMENT_AUDIT_MODE
    )
    log.info(
        "enrollment webhook answered",
        extra={**_ids(user, run), "enrollment_id": enrollment.pk, "is_new": created},
    )
    reply: MirroredEnrollment = {
        "message": "Enrollment created." if created else "Enrollment exists.",
        "enrollment_id": enrollment.pk,
        "active": enrollment.active,
        "edx_enrolled": enrollment.edx_enrolled,
    }
    return Response(reply, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)


def _receive(
    kind: str, request: Request, serializer_class: type[CertificateEventSerializer]
) -> tuple[User, CourseRun, dict[str, Any]]:
    """Return the user and the run an event is about, and its fields; raise what refuses it."""
    log.info("%s webhook called", kind, extra={"caller_id": request.user.pk})
    event = read_event(request, serializer_class)
    user = User.objects.find_by_email(event["email"])
    if user is None:
        log.warning("%s webhook: user not found", kind, extra={"email": mask_email(event["email"])})
        raise NotKnownHere("User not found.")
    run = CourseRun.objects.filter(courseware_id=event["course_id"]).first()
    if run is None:
        log.warning(
            "%s webhook: course run not found",
            kind,
            extra={"user_id": user.pk, "course_id": _loggable(event["course_id"])},
        )
        raise NotKnownHere("Course run not found.")
    log.info("%s webhook validated", kind, extra=_ids(user, run))
    return user, run, event


def _loggable(course_id: str) -> str:
    """Return a course id that is not known here: masked unless it looks like one.

    A mistaken sender may have put an address into the field, in whatever spelling.
    """
    return course_id if _COURSE_KEY.fullmatch(course_id) else mask_email(course_id)


def _ids(user: User, run: CourseRun) -> dict[str, object]:
    return {"user_id": user.pk, "course_id": run.courseware_id}
