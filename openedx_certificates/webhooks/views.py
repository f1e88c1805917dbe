"""The certificate webhook, and what a webhook of the host needs to be like it."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from openedx_certificates import host
from openedx_certificates.attempts.intake import see_event, take_in
from openedx_certificates.logs import get_logger
from openedx_certificates.masking import mask_email
from openedx_certificates.settings import app_settings
from openedx_certificates.webhooks.authentication import BearerTokenAuthentication
from openedx_certificates.webhooks.counting import webhook
from openedx_certificates.webhooks.events import read_event
from openedx_certificates.webhooks.exceptions import NotKnownHere
from openedx_certificates.webhooks.permissions import HasRequiredScopes
from openedx_certificates.webhooks.replies import DEFERRED, reply_to
from openedx_certificates.webhooks.serializers import CertificateEventSerializer

log = get_logger(__name__)

View = TypeVar("View", bound=Callable[..., Any])

# As opaque-keys writes them: `course-v1:ORG+COURSE+RUN`, a part of a course for a coach,
# `ccx-v1:ORG+COURSE+RUN+ccx@NUMBER`, and the old `ORG/COURSE/RUN`. A part may be missing: the person
# looking for the mistake sees the id. No address is of this form, since a number is no domain.
_COURSE_KEY = re.compile(
    r"(?:course|ccx)-v1:[\w.~:-]+(?:\+[\w.~:-]+)*(?:\+ccx@[0-9]+)?|[\w.~-]+(?:/[\w.~-]+){2}"
)


@webhook("certificate")
@extend_schema(exclude=True)
@api_view(["POST"])
@authentication_classes([BearerTokenAuthentication])
@permission_classes([IsAdminUser, HasRequiredScopes])
def edx_certificate_webhook(request: Request) -> Response:
    """Issue the certificate of a learner with a passing grade, if it is earned.

    The event is a hint: whether the learner passed is asked of Open edX, now or later.
    """
    # 2xx: a promise. The certificate exists, or the request is held until it is settled, and the
    # plugin may forget the event. 503: our database failed; the plugin repeats within seconds.
    # Other 4xx: the event will never be taken; the plugin repeats it all the same.
    event = _begin("certificate", request, CertificateEventSerializer)
    seen = see_event(event["email"], event["course_id"])
    user, run = _known("certificate", event, seen.user, seen.course_run)
    outcome = take_in(seen, user, run)
    log.info(
        "certificate webhook answered",
        extra={**_ids(user, run), "outcome": str(outcome or "deferred")},
    )
    if outcome is None:
        return Response(DEFERRED, status=status.HTTP_202_ACCEPTED)
    return Response(reply_to(outcome))


def answered_by_the_app(old_view: View) -> View:
    """Have the app answer in the place of the host's old view, unless its MODE is `off`.

    A decorator for the view that the webhook's address leads to already; outermost.
    """

    @wraps(old_view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = edx_certificate_webhook if app_settings.holds_events else old_view
        return view(request, *args, **kwargs)

    return answer  # type: ignore[return-value]


def receive_event(
    kind: str, request: Request, serializer_class: type[CertificateEventSerializer]
) -> tuple[host.User, host.CourseRun, dict[str, Any]]:
    """Return the user and the run an event is about, and its fields; raise what refuses it."""
    event = _begin(kind, request, serializer_class)
    user = host.find_user_by_email(event["email"])
    run = host.find_course_run(event["course_id"])
    return *_known(kind, event, user, run), event


def _begin(
    kind: str, request: Request, serializer_class: type[CertificateEventSerializer]
) -> dict[str, Any]:
    log.info("%s webhook called", kind, extra={"caller_id": request.user.pk})
    return read_event(request, serializer_class)


def _known(
    kind: str, event: dict[str, Any], user: host.User | None, run: host.CourseRun | None
) -> tuple[host.User, host.CourseRun]:
    if user is None:
        log.warning("%s webhook: user not found", kind, extra={"email": mask_email(event["email"])})
        raise NotKnownHere("User not found.")
    if run is None:
        log.warning(
            "%s webhook: course run not found",
            kind,
            extra={"user_id": user.pk, "course_id": _loggable(event["course_id"])},
        )
        raise NotKnownHere("Course run not found.")
    log.info("%s webhook validated", kind, extra=_ids(user, run))
    return user, run


def _loggable(course_id: str) -> str:
    """Return a course id that is not known here: masked unless it looks like one.

    A mistaken sender may have put an address into the field, in whatever spelling.
    """
    return course_id if _COURSE_KEY.fullmatch(course_id) else mask_email(course_id)


def _ids(user: host.User, run: host.CourseRun) -> dict[str, object]:
    return {"user_id": user.pk, "course_id": run.courseware_id}
