"""The shapes of what the webhooks answer: the views fill them in, the schema describes them."""

from typing import Final, Literal, TypedDict

from courses.api import CertificateOutcome


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


# A certificate that 0.0 took away a moment ago, and one that was never earned, are the same to the
# sender.
_NOT_PASSED: Final[NotEligible] = {
    "certificate_status": "not_eligible",
    "reason": "grade_not_passed",
}
CERTIFICATE_REPLIES: Final[dict[CertificateOutcome, CertificateStanding | NotEligible]] = {
    CertificateOutcome.CREATED: {"certificate_status": "created"},
    CertificateOutcome.EXISTS: {"certificate_status": "exists"},
    CertificateOutcome.REVOKED: {"certificate_status": "revoked"},
    CertificateOutcome.NOT_PASSED: _NOT_PASSED,
    CertificateOutcome.DELETED: _NOT_PASSED,
    CertificateOutcome.NO_PAID_ENROLLMENT: {
        "certificate_status": "not_eligible",
        "reason": "no_paid_enrollment",
    },
}
DEFERRED: Final[Deferred] = {"certificate_status": "deferred"}
