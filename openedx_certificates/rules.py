"""The rules of a certificate and of the grade it rests on: what is to be, by what is.

Nothing here reads or writes a row; the contract with Open edX and MITx Online is the source of all of it.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, StrEnum, auto
from typing import Protocol

from openedx_certificates.wire.grades import EDX_GRADE_MAX, EDX_GRADE_MIN

# A stored grade of exactly this means that there must be no certificate (the contract, section 4).
NO_CERTIFICATE_GRADE = 0.0
# If a certificate exists, Open edX's 0.0 is often a mistake that passes, such as a grade that is being
# computed again. It counts when it is reported again after this time.
ZERO_GRADE_CONFIRMATION = timedelta(hours=20)


def is_grade(percent: float) -> bool:
    """Return whether the number can be a grade; NaN and the infinities can't (the contract, section 4)."""
    return EDX_GRADE_MIN <= percent <= EDX_GRADE_MAX


class GradeOutcome(StrEnum):
    """What became of a grade that Open edX reported."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HELD_BACK = "held_back"
    #: Another was stored since Open edX was asked, and stays.
    OVERTAKEN = "overtaken"
    REFUSED = "refused"


class CertificateOutcome(StrEnum):
    """What a look at a learner's grade came to."""

    CREATED = "created"
    EXISTS = "exists"
    REVOKED = "revoked"
    DELETED = "deleted"
    #: A grade of 0.0 would delete it, and the caller may not delete now: it stays.
    KEPT = "kept"
    NOT_PASSED = "grade_not_passed"
    NO_PAID_ENROLLMENT = "no_paid_enrollment"
    NOT_DUE = "not_due"

    @property
    def is_certified(self) -> bool:
        """Whether the learner has a certificate then, revoked or not."""
        return self in _CERTIFIED

    @property
    def status(self) -> str:
        """The word for it in a reply and in a request that it settles (the contract, section 5)."""
        return _CERTIFIED.get(self, "not_eligible")

    @property
    def reason(self) -> str:
        """Why the learner is not eligible, in the contract's words; empty with a certificate."""
        if self.is_certified:
            return ""
        # To others, a 0.0 that has just taken a certificate away has never earned one.
        return str(self.NOT_PASSED if self is self.DELETED else self)


_CERTIFIED = {
    CertificateOutcome.CREATED: "created",
    CertificateOutcome.EXISTS: "exists",
    CertificateOutcome.REVOKED: "revoked",
    CertificateOutcome.KEPT: "exists",
}


class ZeroNoteChange(Enum):
    """What becomes of a certificate's note of when Open edX first reported a 0.0."""

    KEPT = auto()
    #: It says now.
    BEGUN = auto()
    CLEARED = auto()


class StoredGrade(Protocol):
    """What the rules ask of a stored grade."""

    @property
    def grade(self) -> float: ...
    @property
    def passed(self) -> bool: ...
    @property
    def letter_grade(self) -> str | None: ...
    @property
    def set_by_admin(self) -> bool: ...


class StoredCertificate(Protocol):
    """What the rules ask of a certificate, revoked or not."""

    @property
    def is_revoked(self) -> bool: ...


class Standing(Protocol):
    """How a learner stands in a run."""

    @property
    def grade(self) -> StoredGrade | None: ...
    @property
    def certificate(self) -> StoredCertificate | None: ...
    @property
    def has_paid(self) -> bool:
        """Whether an active user has an active, paid enrollment.

        It is not asked if there is a certificate: that one needs no enrollment any more.
        """

    @property
    def looked_at(self) -> float:
        """When we looked, in seconds by `time.monotonic()`."""

    @property
    def stored_for(self) -> timedelta | None:
        """How long before we looked the grade was stored, by the database's clock.

        Negative if it was stored while the look waited for it. None without a grade, and if the
        moment is of the future: a clock was wrong, and nothing is known of it.
        """

    @property
    def zero_reported_for(self) -> timedelta | None:
        """How long ago Open edX first reported a 0.0 that is not acted on, by the database's clock.

        None if it did not; negative if the note of it is from the future.
        """


class ReportedGrade(Protocol):
    """What is stored of a grade that Open edX reports."""

    @property
    def percent(self) -> float: ...
    @property
    def passed(self) -> bool: ...
    @property
    def letter_grade(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What a caller may have done."""

    #: Whether the date has come for certificates to be created.
    is_due: bool = True
    #: Whether a 0.0 of Open edX may take a certificate away.
    may_delete: bool = True
    #: An administrator's word that the learner gets it, passed and paid or not.
    waives_eligibility: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a learner's grade and certificate."""

    grade: GradeOutcome
    certificate: CertificateOutcome
    #: The grade to be stored, if it is created or updated.
    new_grade: ReportedGrade | None = None
    #: What becomes of the certificate's note of when a 0.0 was reported first.
    zero_note: ZeroNoteChange = ZeroNoteChange.KEPT
    #: How long ago that was, by the note.
    zero_reported_for: timedelta = timedelta(0)

    @property
    def needs_writing(self) -> bool:
        """Whether anything is to change."""
        return (
            self.new_grade is not None
            or self.zero_note is not ZeroNoteChange.KEPT
            or self.certificate in (CertificateOutcome.CREATED, CertificateOutcome.DELETED)
        )


def judge_report(
    standing: Standing, reported: ReportedGrade, terms: Terms, *, asked_at: float
) -> Verdict:
    """Return what a grade that Open edX reports does to the learner's grade and certificate.

    If another was stored since Open edX was asked, that one decides.

    Args:
        standing: of the learner.
        reported: the grade.
        terms: what the caller may have done.
        asked_at: when Open edX was asked, in seconds by `time.monotonic()`.
    """
    verdict = judge_grade(standing, reported, asked_at=asked_at)
    if verdict.grade is GradeOutcome.HELD_BACK:
        return verdict
    if verdict.new_grade is None:
        certificate = judge_certificate(standing, terms)
    else:
        certificate = _judge_certificate(reported.percent, reported.passed, standing, terms)
    is_open_edxs = standing.grade is None or not standing.grade.set_by_admin
    if certificate is CertificateOutcome.DELETED and is_open_edxs and not terms.may_delete:
        return Verdict(GradeOutcome.HELD_BACK, CertificateOutcome.KEPT)
    return replace(verdict, certificate=certificate)


def judge_grade(
    standing: Standing,
    reported: ReportedGrade,
    *,
    should_update: bool = True,
    asked_at: float | None = None,
) -> Verdict:
    """Return what becomes of the stored grade; of the certificate nothing but its note.

    An administrator's grade is never overwritten, nor, if `asked_at` is given, one that was stored
    since then. A 0.0 that would replace another grade, or be the first, is held back if a
    certificate exists, until it is confirmed.
    """
    if asked_at is not None and _is_stored_since(standing, asked_at):
        return Verdict(GradeOutcome.OVERTAKEN, as_it_stands(standing.certificate))
    stored, certificate = standing.grade, standing.certificate
    as_before = as_it_stands(certificate)
    reported_for = standing.zero_reported_for
    is_zero = reported.percent == NO_CERTIFICATE_GRADE
    # Another grade came, so the 0.0 that was held back was the mistake it looked like.
    note = ZeroNoteChange.KEPT if is_zero or reported_for is None else ZeroNoteChange.CLEARED
    if stored is not None and (stored.set_by_admin or not should_update):
        outcome = GradeOutcome.UNCHANGED
    elif certificate is not None and is_zero and not _is_zero(stored):
        # A note from the future was written while a clock was wrong, and counts as none.
        if reported_for is None or reported_for < timedelta(0):
            return Verdict(GradeOutcome.HELD_BACK, as_before, None, ZeroNoteChange.BEGUN)
        if reported_for < ZERO_GRADE_CONFIRMATION:
            return Verdict(GradeOutcome.HELD_BACK, as_before, None, note, reported_for)
        outcome = GradeOutcome.CREATED if stored is None else GradeOutcome.UPDATED
    elif stored is None:
        outcome = GradeOutcome.CREATED
    elif _is_the_same(stored, reported):
        outcome = GradeOutcome.UNCHANGED
    else:
        outcome = GradeOutcome.UPDATED
    new_grade = None if outcome is GradeOutcome.UNCHANGED else reported
    return Verdict(outcome, as_before, new_grade, note)


def must_ask_again(grade: GradeOutcome | None, certificate: CertificateOutcome | None) -> bool:
    """Return whether a grade that was stored meanwhile decided, and there is no certificate by it.

    Nothing tells which of the two Open edX has read later.
    """
    is_certified = certificate is not None and certificate.is_certified
    return grade is GradeOutcome.OVERTAKEN and not is_certified


def judge_certificate(standing: Standing, terms: Terms) -> CertificateOutcome:
    """Return what the stored grade does to the certificate; without a grade, nothing."""
    if standing.grade is None:
        return as_it_stands(standing.certificate)
    return _judge_certificate(standing.grade.grade, standing.grade.passed, standing, terms)


def as_it_stands(certificate: StoredCertificate | None) -> CertificateOutcome:
    """Return how things stand if no grade decides anything."""
    if certificate is None:
        return CertificateOutcome.NOT_PASSED
    return CertificateOutcome.REVOKED if certificate.is_revoked else CertificateOutcome.EXISTS


def _judge_certificate(
    grade: float, passed: bool, standing: Standing, terms: Terms
) -> CertificateOutcome:
    """A grade of 0.0 deletes the certificate, due or not. A revoked one stays as it is."""
    takes_away = grade == NO_CERTIFICATE_GRADE
    # The old path stored grades that can be none, such as NaN: they earn nothing.
    passed = passed and is_grade(grade)
    if standing.certificate is not None:
        if takes_away and not standing.certificate.is_revoked:
            return CertificateOutcome.DELETED
        return as_it_stands(standing.certificate)
    if takes_away or not (passed or terms.waives_eligibility):
        return CertificateOutcome.NOT_PASSED
    if not (standing.has_paid or terms.waives_eligibility):
        return CertificateOutcome.NO_PAID_ENROLLMENT
    return CertificateOutcome.CREATED if terms.is_due else CertificateOutcome.NOT_DUE


def _is_stored_since(standing: Standing, asked_at: float) -> bool:
    if standing.stored_for is None:
        return False
    asked_for = timedelta(seconds=standing.looked_at - asked_at)
    # Of two things of one moment none is first.
    return standing.stored_for < asked_for and standing.stored_for != timedelta(0)


def _is_zero(stored: StoredGrade | None) -> bool:
    return stored is not None and stored.grade == NO_CERTIFICATE_GRADE


def _is_the_same(stored: StoredGrade, reported: ReportedGrade) -> bool:
    return (
        stored.grade == reported.percent
        and stored.passed == reported.passed
        and stored.letter_grade == reported.letter_grade
    )
