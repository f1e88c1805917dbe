"""The shapes of what the webhooks answer: the views fill them in, the schema describes them."""

from typing import Final, Literal, TypedDict, cast

from openedx_certificates.rules import CertificateOutcome


class CertificateStanding(TypedDict):
    """The certificate was issued now, or was there already; a revoked one stays so."""

    certificate_status: Literal["created", "exists", "revoked"]


class NotEligible(TypedDict):
    """Open edX answered, and there is no certificate to be had."""

    certificate_status: Literal["not_eligible"]
    reason: Literal["grade_not_passed", "no_paid_enrollment"]


class Deferred(TypedDict):
    """The request is held, and is worked on until it is settled."""

    certificate_status: Literal["deferred"]


class MirroredEnrollment(TypedDict):
    """The enrollment as it is here now."""

    message: str
    enrollment_id: int
    active: bool
    edx_enrolled: bool


class Refusal(TypedDict):
    """Refused before the event was read."""

    detail: str


class Failure(TypedDict):
    """The event was refused, or our database failed; one sentence says which."""

    error: str


DEFERRED: Final[Deferred] = {"certificate_status": "deferred"}


def reply_to(outcome: CertificateOutcome) -> CertificateStanding | NotEligible:
    """Return the body that tells the sender of an event what came of it."""
    body = {"certificate_status": outcome.status}
    if outcome.reason:
        body["reason"] = outcome.reason
    return cast("CertificateStanding | NotEligible", body)
