"""The shapes of the events that Open edX's plugin sends."""

import re
from typing import Any

from rest_framework import serializers

from openedx_certificates.host import (
    COURSEWARE_ID_MAX_LENGTH,
    EMAIL_MAX_LENGTH,
    ENROLLMENT_MODE_MAX_LENGTH,
)

ROLE_MAX_LENGTH = 64
# Unicode's categories Cc and Cs, and what starts a new line in some log viewers.
_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class EventTextField(serializers.Field[str, Any, str, Any]):
    """A text in one line, with the blanks around it dropped. Nothing is turned into a text."""

    default_error_messages = {
        "required": "is missing",
        "null": "is not a text",
        "not_a_text": "is not a text",
        "blank": "is blank",
        "control": "holds a control character",
        "too_long": "is longer than {max_length} characters",
    }

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_a_text")
        if _REFUSED.search(data):
            self.fail("control")
        text = data.strip()
        if not text and self.required:
            self.fail("blank")
        if len(text) > self.max_length:
            self.fail("too_long", max_length=self.max_length)
        return text

    def to_representation(self, value: str) -> str:
        return value


class CertificateEventSerializer(serializers.Serializer[Any]):
    """A learner has passed a course."""

    email = EventTextField(
        max_length=EMAIL_MAX_LENGTH,
        help_text="The learner's e-mail address; upper and lower case are the same.",
    )
    course_id = EventTextField(
        max_length=COURSEWARE_ID_MAX_LENGTH, help_text="Open edX's name of the course run."
    )


class EnrollmentEventSerializer(CertificateEventSerializer):
    """A learner or a member of staff was enrolled inside Open edX."""

    mode = EventTextField(
        max_length=ENROLLMENT_MODE_MAX_LENGTH,
        required=False,
        allow_null=True,
        help_text="The enrollment's mode as Open edX names it; `audit` where there is none.",
    )
    role = EventTextField(
        max_length=ROLE_MAX_LENGTH,
        required=False,
        allow_null=True,
        help_text="Set where someone became `staff` or `instructor`; checked, and not kept.",
    )
