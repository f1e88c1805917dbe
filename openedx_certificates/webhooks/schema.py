"""The webhooks in OpenAPI's words, for the staff: the public schema leaves them out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.serializers import Serializer

from openedx_certificates.rules import CertificateOutcome
from openedx_certificates.webhooks.replies import (
    DEFERRED,
    CertificateStanding,
    Deferred,
    Failure,
    MirroredEnrollment,
    NotEligible,
    Refusal,
    reply_to,
)
from openedx_certificates.webhooks.schema_types import components, reference
from openedx_certificates.webhooks.serializers import (
    CertificateEventSerializer,
    EnrollmentEventSerializer,
)

TITLE: Final = "MITx Online webhooks for Open edX"
INTRODUCTION: Final = """\
What Open edX's plugin calls, and an administrator by hand. Every reply is JSON, whatever `Accept`
says; a request is checked in the order of the statuses 401 or 429, 403, 405, 415, 413, 400, 404.
Plain HTTP is refused before all of these if the site wants HTTPS.
The address without the slash at the end is the same.

An event that is sent again after a reply of 503, or after none at all, does no harm: both webhooks
can be called again and again."""
LEARNER: Final = "shira.levi@example.net"
COURSE_ID: Final = "course-v1:MITxT+18.6501x+R1"
EVENT: Final = {"email": LEARNER, "course_id": COURSE_ID}


@dataclass(frozen=True, kw_only=True)
class Door:
    """What there is to say about a webhook."""

    name: str
    summary: str
    description: str
    event: type[Serializer[Any]]
    examples: list[OpenApiExample]
    replies: Mapping[int, OpenApiResponse]


def _event(name: str, summary: str, **fields: str | None) -> OpenApiExample:
    return OpenApiExample(name, summary=summary, value={**EVENT, **fields}, request_only=True)


def _reply(schema: Mapping[str, Any], description: str, **examples: object) -> OpenApiResponse:
    named = {name.replace("_", " "): value for name, value in examples.items()}
    return OpenApiResponse(
        schema,
        description=description,
        examples=[OpenApiExample(name, summary=name, value=named[name]) for name in named],
    )


def _refusal(description: str) -> OpenApiResponse:
    return _reply(reference(Refusal), description)


def _failure(description: str) -> OpenApiResponse:
    return _reply(reference(Failure), description)


_REFUSALS: Final = {
    400: _failure(
        "The event is not what the webhook takes. `error` is one sentence that names the field or "
        "fields. The same event is refused again."
    ),
    401: _refusal(
        "No token in the Authorization header; one that is unknown, expired or malformed; one "
        "without a user, or with a user that is not active."
    ),
    403: _refusal(
        "The token's user is not a member of staff, or the token lacks a scope that the site "
        "requires (REQUIRED_SCOPES); or, whatever the token, the request came by plain "
        "HTTP and the site wants HTTPS (REQUIRE_HTTPS)."
    ),
    404: _failure(
        "No user has this e-mail address here, or no run this course id. The plugin repeats a "
        "certificate's event all the same, and drops an enrollment's."
    ),
    405: _refusal("Another method than POST, HEAD and OPTIONS included."),
    413: _failure("The body is over 64 KiB."),
    415: _refusal("The Content-Type is not `application/json`."),
    429: _refusal(
        "More wrong tokens than FAILED_TOKENS_MAX came from the caller's address, and this is one "
        "more. A valid token is taken all the same."
    ),
    503: _failure(
        "Our database failed; nothing else is answered with a 5xx. The plugin repeats the event."
    ),
}
# By header: the replies that carry it, and what it says.
_HEADERS: Final = [
    OpenApiParameter(
        name="WWW-Authenticate",
        location=OpenApiParameter.HEADER,
        response=[401],
        required=True,
        type={"type": "string", "pattern": "^Bearer "},
        description="A bearer token is wanted.",
    ),
    OpenApiParameter(
        name="Retry-After",
        location=OpenApiParameter.HEADER,
        response=[429],
        required=True,
        type={"type": "string", "pattern": "^[0-9]+$"},
        description="Seconds until the address can fail again.",
    ),
    OpenApiParameter(
        name="Allow",
        location=OpenApiParameter.HEADER,
        response=[405],
        required=True,
        type={"type": "string", "enum": ["POST"]},
        description="The one method there is.",
    ),
]

_TOLD: Final = (
    CertificateOutcome.CREATED,
    CertificateOutcome.EXISTS,
    CertificateOutcome.REVOKED,
    CertificateOutcome.NOT_PASSED,
    CertificateOutcome.NO_PAID_ENROLLMENT,
)
_CERTIFICATE: Final = Door(
    name="certificate",
    summary="A learner has passed a course",
    description="""\
Issues the certificate of a learner with a passing grade, if it is earned. The event is a hint: whether
the learner passed is asked of Open edX, now or later; whether the learner paid is known here.

A reply of 2xx is a promise: the certificate exists, or the request is committed to the database and
is worked on until it is settled. The plugin waits for 30 seconds at most and takes every status
from 400 on for a failure: it tries twice more, and then forgets the event. An administrator replays
it by hand:

    curl -i "$SITE/api/openedx_webhook/certificate/" \\
      -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
      -d '{"email": "shira.levi@example.net", "course_id": "course-v1:MITxT+18.6501x+R1"}'
""",
    event=CertificateEventSerializer,
    examples=[_event("passed", "The plugin's event, and a replay by hand")],
    replies={
        200: _reply(
            reference(CertificateStanding, NotEligible),
            "It is settled. `created`: now. `exists`, `revoked`: Open edX was not asked. "
            "`not_eligible`: Open edX answered, and the learner has not passed, which is held and "
            "asked again three times within minutes, or has no active paid enrollment here, or no "
            "active account.",
            **{outcome.value: reply_to(outcome) for outcome in _TOLD},
        ),
        202: _reply(
            reference(Deferred),
            "The request is held: Open edX could not tell (it is down, slow, refuses us, or answers "
            "what is no grade of this learner), the learner has no username there that we know, or "
            "a worker asks. Nothing is to be done.",
            deferred=DEFERRED,
        ),
        **_REFUSALS,
    },
)


def _mirrored(message: str) -> MirroredEnrollment:
    return {"message": message, "enrollment_id": 2861, "active": True, "edx_enrolled": True}


_ENROLLMENT: Final = Door(
    name="enrollment",
    summary="A learner was enrolled inside Open edX",
    description="""\
Mirrors an enrollment that was made inside Open edX; Open edX is not asked anything. The plugin sends
it with `mode` when a learner is enrolled, and with `role` when someone becomes staff or instructor
of a course. A paid mode replaces another; an unpaid one never does. `mode` and `role` that are null
or empty count as absent.

The plugin repeats a 408, a 429 and a 5xx twice, and drops the event at any other status from 400 on.
By hand:

    curl -i "$SITE/api/openedx_webhook/enrollment/" \\
      -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
      -d '{"email": "shira.levi@example.net", "course_id": "course-v1:MITxT+18.6501x+R1",
           "mode": "verified"}'
""",
    event=EnrollmentEventSerializer,
    examples=[
        _event("mode", "A learner was enrolled", mode="verified"),
        _event("role", "Someone became staff of the course", role="staff"),
        _event("neither", "Neither mode nor role", mode=None, role=""),
    ],
    replies={
        200: _reply(
            reference(MirroredEnrollment),
            "It was here already. It is active now, and in the paid mode if the event says one.",
            exists=_mirrored("Enrollment exists."),
        ),
        201: _reply(
            reference(MirroredEnrollment),
            "It is new here, in the event's mode, or in `audit` if there is none.",
            created=_mirrored("Enrollment created."),
        ),
        **_REFUSALS,
    },
)

_SHAPES: Final = (
    *(CertificateStanding, NotEligible, Deferred, MirroredEnrollment),
    *(Refusal, Failure),
)
#: By the name that `webhooks.webhook` gives a view.
DOORS: Final = {door.name: door for door in (_CERTIFICATE, _ENROLLMENT)}


class DoorSchema(AutoSchema):
    """Describes one webhook by its door; what the view says of itself is kept out by `exclude`."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def get_operation_id(self) -> str:
        return self._door.name

    def get_summary(self) -> str:
        return self._door.summary

    def get_description(self) -> str:  # type: ignore[override]
        return self._door.description

    def get_tags(self) -> list[str]:
        return ["webhooks"]

    def get_request_serializer(self) -> type[Serializer[Any]]:
        return self._door.event

    def get_response_serializers(self) -> Any:
        return self._door.replies

    def get_override_parameters(self) -> list[Any]:
        return _HEADERS

    def get_examples(self) -> list[OpenApiExample]:
        return self._door.examples


def _find_door(view: Callable[..., Any]) -> Door | None:
    return DOORS.get(getattr(view, "webhook", ""))


class DoorEnumerator(EndpointEnumerator):
    """Finds the webhooks among the addresses of the site, each once."""

    def should_include_endpoint(self, path: str, callback: Callable[..., Any]) -> bool:
        # Each has a second address, without the slash.
        return _find_door(callback) is not None and path.endswith("/")


class WebhookSchemaGenerator(SchemaGenerator):
    """Generates the schema of the webhooks, which are excluded from every other."""

    endpoint_inspector_cls = DoorEnumerator

    def create_view(self, callback: Callable[..., Any], method: str, request: Any = None) -> Any:
        view = super().create_view(callback, method, request)
        door = _find_door(callback)
        if door is not None:
            self._set_schema_to_view(view, DoorSchema(door))
        return view

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        schema: dict[str, Any] = super().get_schema(request, public)
        # Not by `custom_settings`: they are the whole process's for a moment, and two threads that
        # answer at once can leave them behind in the public schema.
        schema["info"] |= {"title": TITLE, "description": INTRODUCTION}
        schema["components"]["schemas"] |= components(*_SHAPES)
        return schema
