"""Taking the body of an event in: from bytes to checked fields.

Both webhooks read their events here, so that what one refuses the other refuses alike.
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import IO, Any

from django.conf import settings
from django.db import connection
from django.http import UnreadablePostError
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from openedx_certificates.waiting.holding import hold_nothing
from openedx_certificates.waiting.turns import webhook_turn_given_up
from openedx_certificates.webhooks.exceptions import EventTooLarge, InvalidEvent

EVENT_MAX_BYTES = 64 * 1024
_SHORT_BYTES = 1_000


class EventParser(BaseParser):
    """Parses a body of JSON, strictly, and none that is over the limit."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - as the framework calls it
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            with self._waiting_for_body(parser_context):
                body = stream.read(EVENT_MAX_BYTES + 1)
        except UnreadablePostError as error:
            raise InvalidEvent("The body broke off.") from error
        if len(body) < _announced_bytes(parser_context) and len(body) <= EVENT_MAX_BYTES:
            # What came may be whole JSON all the same, and not what was meant.
            raise InvalidEvent("The body broke off.")
        if len(body) > EVENT_MAX_BYTES:
            raise EventTooLarge(f"The body is over {EVENT_MAX_BYTES // 1024} KiB.")
        try:
            return json.loads(
                body.decode("utf-8"),
                object_pairs_hook=_without_duplicates,
                parse_constant=_refuse_constant,
            )
        except (ValueError, RecursionError) as error:
            raise InvalidEvent(
                "The body is not JSON; an object with email and course_id is expected."
            ) from error

    @staticmethod
    def _waiting_for_body(parser_context: Mapping[str, Any] | None) -> AbstractContextManager[None]:
        """Hold nothing while the body comes: the token has been looked up.

        A host without a pool keeps its connection for a short body, which fits into the packet of its
        headers: another connection would cost it more than the rest of an answer.
        """
        is_short = 0 < _announced_bytes(parser_context) < _SHORT_BYTES
        has_pool = getattr(connection, "pool", None) is not None
        return webhook_turn_given_up() if is_short and not has_pool else hold_nothing()


class JsonWhateverIsAccepted(DefaultContentNegotiation):
    """Answers in JSON: the senders of events are machines, and an `Accept` is not worth a 406."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - as the framework calls it
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002 - as the framework calls it
    ) -> tuple[BaseRenderer, str]:
        renderer = renderers[0]
        return renderer, renderer.media_type


def read_event(request: Request, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
    """Return the checked fields of the event in the request.

    Raises UnsupportedMediaType (415), EventTooLarge (413), InvalidEvent (400), in this order.
    """
    # By name: Django REST framework takes a wildcard for a match, and looks only if there is a body.
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    if media_type != EventParser.media_type:
        raise UnsupportedMediaType(media_type[:80])
    event = request.data
    if not isinstance(event, dict):
        raise InvalidEvent("The body is not a JSON object with email and course_id.")
    serializer = serializer_class(data=event)
    if not serializer.is_valid():
        problems = [f"{name} {errors[0]}" for name, errors in serializer.errors.items()]
        raise InvalidEvent(" and ".join(problems) + ".")
    return serializer.validated_data


def _announced_bytes(parser_context: Mapping[str, Any] | None) -> int:
    """Return how long the body is to be, 0 if its sender does not say."""
    length = (parser_context or {})["request"].META.get("CONTENT_LENGTH", "")
    announced = int(length) if re.fullmatch("[0-9]{1,19}", length) else 0
    # A server that hands on a body in chunks may bound it by this, as our own site does.
    return 0 if announced == settings.DATA_UPLOAD_MAX_MEMORY_SIZE else announced


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Parsers differ in which of two equal keys they believe: neither is what the sender meant.
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice")
    return fields


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
