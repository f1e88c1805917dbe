"""What became of each event, in one word, read from the reply: for the metrics."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from openedx_certificates.instruments import Webhook, count_event
from openedx_certificates.webhooks.errors import reply_to_exception
from openedx_certificates.webhooks.events import EventParser, JsonWhateverIsAccepted

View = Callable[..., Response]

_REFUSALS: Final[dict[int, str]] = {
    status.HTTP_400_BAD_REQUEST: "invalid",
    status.HTTP_401_UNAUTHORIZED: "unauthorized",
    status.HTTP_403_FORBIDDEN: "forbidden",
    status.HTTP_404_NOT_FOUND: "not_known",
    status.HTTP_405_METHOD_NOT_ALLOWED: "method_not_allowed",
    status.HTTP_413_REQUEST_ENTITY_TOO_LARGE: "too_large",
    status.HTTP_415_UNSUPPORTED_MEDIA_TYPE: "not_json",
    status.HTTP_429_TOO_MANY_REQUESTS: "throttled",
    status.HTTP_503_SERVICE_UNAVAILABLE: "database_failed",
}
# An error of ours that no reply was made of, or a reply that is in no table.
OTHER: Final = "other"
# The words that the certificate webhook's replies bear themselves, the reason if there is one.
_CERTIFICATE_OUTCOMES: Final = (
    "created",
    "exists",
    "revoked",
    "deferred",
    "grade_not_passed",
    "no_paid_enrollment",
)
_ENROLLMENT_OUTCOMES: Final[dict[int, str]] = {
    status.HTTP_200_OK: "exists",
    status.HTTP_201_CREATED: "created",
}
OUTCOMES: Final[dict[Webhook, tuple[str, ...]]] = {
    "certificate": (*_CERTIFICATE_OUTCOMES, *_REFUSALS.values(), OTHER),
    "enrollment": (*_ENROLLMENT_OUTCOMES.values(), *_REFUSALS.values(), OTHER),
}


def webhook(name: Webhook) -> Callable[[View], View]:
    """Make an `@api_view` a webhook of Open edX's plugin; outermost, so that nothing is left out.

    It takes POST alone (`api_view` adds OPTIONS by itself), takes and answers JSON, answers each
    error by the table in `webhooks.errors`, whatever the host's own handler does, and is counted in
    the metrics.
    """

    def decorate(view: View) -> View:
        api: Any = view.cls  # type: ignore[attr-defined]
        api.http_method_names = ["post"]
        api.parser_classes = [EventParser]
        api.renderer_classes = [JSONRenderer]
        api.content_negotiation_class = JsonWhateverIsAccepted
        api.get_exception_handler = lambda _self: reply_to_exception

        @wraps(view)
        def counting(request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
            begun, outcome = time.perf_counter(), OTHER
            try:
                response = view(request, *args, **kwargs)
                outcome = _read_outcome(name, response)
                return response
            finally:
                count_event(name, outcome, time.perf_counter() - begun)

        setattr(counting, "webhook", name)  # noqa: B010 - mypy knows no such attribute of a function
        return counting

    return decorate


def _read_outcome(webhook: Webhook, response: Response) -> str:
    refusal = _REFUSALS.get(response.status_code)
    if refusal is not None:
        return refusal
    if webhook == "enrollment":
        return _ENROLLMENT_OUTCOMES.get(response.status_code, OTHER)
    word = response.data.get("reason") or response.data.get("certificate_status")
    return word if word in _CERTIFICATE_OUTCOMES else OTHER
