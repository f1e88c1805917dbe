"""Whether every promise was kept: facts in, what is wrong out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tools.chaos.cast import Story

_SERVER_ERROR: Final = 500
_CERTIFIED: Final = {("created", ""), ("exists", "")}
_REVOKED: Final = {("revoked", "")}
# What a settled request of a story may say; a certificate can be found, or be revoked by then.
_RIGHT: Final = {
    Story.EARNED: _CERTIFIED,
    Story.LATE: _CERTIFIED,
    Story.NO_USERNAME: _CERTIFIED,
    Story.REVOKED_MEANWHILE: _CERTIFIED | _REVOKED,
    Story.CERTIFIED: _CERTIFIED,
    Story.REVOKED: _REVOKED,
    Story.AUDIT: {("not_eligible", "no_paid_enrollment")},
    Story.FAILED: {("not_eligible", "grade_not_passed")},
    Story.UNTOLD: set(),
}
# Learners with an event and no earned certificate, and learners without an event.
_WITHOUT: Final = (Story.AUDIT, Story.FAILED, Story.UNTOLD)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request as it ended."""

    status: str
    reason: str = ""
    last_error: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate as it ended."""

    is_revoked: bool = False


@dataclass(slots=True)
class CaseFacts:
    """What has become of a learner in a run."""

    user_id: int
    run_id: int
    story: Story
    #: Whether an event of it was answered with a 2xx.
    is_accepted: bool
    #: Whether a reply told of a request, which must be there then.
    is_held: bool = False
    requests: list[RequestFacts] = field(default_factory=list)
    certificate: CertificateFacts | None = None
    #: Of every certificate that was ever there.
    uuids: set[str] = field(default_factory=set)
    was_revoked: bool = False

    def __str__(self) -> str:
        held = ", ".join(
            " ".join(filter(None, (one.status, one.reason, one.last_error)))
            + f" after {one.attempts} attempts"
            for one in self.requests
        )
        return (
            f"user {self.user_id}, run {self.run_id} ({self.story}; "
            f"{'' if self.is_accepted else 'not '}accepted; requests: {held or 'none'}; "
            f"certificate: {self.certificate}; ever: {len(self.uuids)})"
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time."""

    began: float
    ended: float

    def touches(self, other: "Interval") -> bool:
        """Whether the two have a moment in common."""
        return self.began <= other.ended and other.began <= self.ended


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the webhook."""

    status: int
    time: Interval
    body: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The offenders of each check, in words; a check without any is passed."""

    offenders: dict[str, list[str]]

    @property
    def is_good(self) -> bool:
        """Whether there is nothing wrong."""
        return not any(self.offenders.values())


def judge(
    facts: Iterable[CaseFacts], replies: Iterable[Reply], outages: Iterable[Interval]
) -> Verdict:
    """Return what is wrong.

    Args:
        facts: of all cases, at the end.
        replies: all that came.
        outages: when PostgreSQL was away, and there was nothing better to say than 503.
    """
    offenders: dict[str, list[str]] = {name: [] for name in CHECKS}
    for case in facts:
        for name in _find_faults(case):
            offenders[name].append(str(case))
    times = list(outages)
    for reply in replies:
        if reply.status >= _SERVER_ERROR and not any(map(reply.time.touches, times)):
            offenders["replies of 5xx"].append(
                f"{reply.status} at {reply.time.began:.1f} s: {reply.body[:200]}"
            )
    return Verdict(offenders)


CHECKS: Final = {
    "not settled": "every accepted event is settled, and no request is open",
    "settled wrongly": "each settled request says what the learner's story says",
    "lost": "who was accepted and has earned it has the certificate",
    "doubled": "nobody ever had two certificates of a run",
    "issued to the ineligible": "nobody else has one",
    "given back": "what was revoked stays revoked",
    "revoked by nobody": "what was not revoked is valid",
    "replies of 5xx": "there were none but while PostgreSQL was away, or took no writes",
}


def _find_faults(case: CaseFacts) -> Iterator[str]:
    has_settled = any(one.status != "open" for one in case.requests)
    is_open = any(one.status == "open" for one in case.requests)
    is_promised = case.is_held or (case.is_accepted and case.certificate is None)
    if is_open or (is_promised and not has_settled):
        yield "not settled"
    if not _RIGHT[case.story].issuperset(
        (one.status, one.reason) for one in case.requests if one.status != "open"
    ):
        yield "settled wrongly"
    has_earned = case.story not in _WITHOUT
    was_there = case.story in (Story.CERTIFIED, Story.REVOKED)
    if has_earned and (case.is_accepted or was_there) and case.certificate is None:
        yield "lost"
    if len(case.uuids) > 1:
        yield "doubled"
    if not has_earned and (case.certificate is not None or case.uuids):
        yield "issued to the ineligible"
    if case.was_revoked and not (case.certificate and case.certificate.is_revoked):
        yield "given back"
    if case.was_revoked and case.story not in (Story.REVOKED, Story.REVOKED_MEANWHILE):
        yield "revoked by nobody"
