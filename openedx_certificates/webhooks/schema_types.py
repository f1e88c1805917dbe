"""What drf-spectacular can't see by itself: the fields of an event, the token, the replies' shapes."""

from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.plumbing import resolve_type_hint

from openedx_certificates.webhooks.authentication import BearerTokenAuthentication
from openedx_certificates.webhooks.serializers import EventTextField

# Unicode's category Cc, and the two separators. Lone surrogates are refused as well; a pattern that
# names them is not understood everywhere.
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
# What is dropped around a text and is no control character.
_BLANK = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
ONE_LINE = f"^[^{_CONTROL}]*$"
ONE_LINE_NOT_BLANK = f"^[^{_CONTROL}]*[^{_CONTROL}{_BLANK}][^{_CONTROL}]*$"


class EventTextFieldExtension(OpenApiSerializerFieldExtension):
    """Describes a text of an event: how long it may be, and what it may hold."""

    target_class = EventTextField

    def map_serializer_field(
        self,
        auto_schema: Any,  # noqa: ARG002 - the caller's signature
        direction: str,  # noqa: ARG002 - as the framework calls it
    ) -> dict[str, Any]:
        field: EventTextField = self.target
        schema: dict[str, Any] = {"type": "string", "maxLength": field.max_length}
        if field.required:
            return {**schema, "minLength": 1, "pattern": ONE_LINE_NOT_BLANK}
        return {**schema, "pattern": ONE_LINE}


class BearerTokenExtension(OpenApiAuthenticationExtension):
    """Describes the token of the webhooks, which is taken from the header alone."""

    target_class = BearerTokenAuthentication
    name = "bearerToken"

    def get_security_definition(
        self,
        auto_schema: Any,  # noqa: ARG002 - as the framework calls it
    ) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": (
                "An OAuth2 access token of a member of staff, in the Authorization header; one in "
                "the query string or in the body does not count. "
                "`manage.py create_webhook_token` makes one."
            ),
        }


def reference(*shapes: type) -> dict[str, Any]:
    """Return the JSON schema of a reply that has one of the shapes, which `components` defines.

    Args:
        shapes: TypedDicts.
    """
    schemas = [{"$ref": f"#/components/schemas/{shape.__name__}"} for shape in shapes]
    return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def components(*shapes: type) -> dict[str, dict[str, Any]]:
    """Return the JSON schemas of the shapes by their names; none has a key besides its own."""
    schemas: dict[str, dict[str, Any]] = {}
    for shape in shapes:
        schema = resolve_type_hint(shape)
        # The keys come as a set, in another order in each process.
        required = sorted(schema["required"])
        schemas[shape.__name__] = {**schema, "required": required, "additionalProperties": False}
    return schemas
