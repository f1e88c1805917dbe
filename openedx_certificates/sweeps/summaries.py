"""What a sweep did, in counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from openedx_certificates.rules import CertificateOutcome, GradeOutcome, Verdict


@dataclass(slots=True)
class GenerationSummary:
    """What `generate_course_run_certificates` did.

    Each learner seen is in one count of `grades`, and in one of `certificates` unless the grade was
    refused; or, if the database did not take them, in `failed_learners` alone.
    """

    runs: int = 0
    #: Pages of grades that were worked through.
    pages: int = 0
    learners: int = 0
    #: Learners of Open edX without an account here: seen, and left alone.
    strangers: int = 0
    grades: Counter[GradeOutcome] = field(default_factory=Counter)
    certificates: Counter[CertificateOutcome] = field(default_factory=Counter)
    #: Learners with a grade or certificate that the database did not take.
    failed_learners: int = 0
    #: The course ids of runs that could not be worked through to the end.
    failed_runs: list[str] = field(default_factory=list)

    def add(
        self, grade: GradeOutcome | None, certificate: CertificateOutcome | None = None
    ) -> None:
        """Count one learner; without a grade's outcome, one with a grade that could not be stored."""
        self.learners += 1
        if grade is None:
            self.failed_learners += 1
            return
        self.grades[grade] += 1
        if certificate is not None:
            self.certificates[certificate] += 1

    def add_verdict(self, verdict: Verdict) -> None:
        """Count the one learner that was asked for."""
        self.pages += 1
        self.add(verdict.grade, verdict.certificate)

    @property
    def failures(self) -> int:
        """How many learners and runs went wrong."""
        return self.failed_learners + len(self.failed_runs)

    @property
    def outcome(self) -> CertificateOutcome:
        """What came of the one learner it was about. Raises ValueError if there were others."""
        (outcome,) = self.certificates.elements()
        return outcome

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for a log line or a report."""
        return {
            "runs": self.runs,
            "pages": self.pages,
            "learners": self.learners,
            "strangers": self.strangers,
            **{f"grades_{kind}": self.grades[kind] for kind in GradeOutcome},
            "certificates_created": self.certificates[CertificateOutcome.CREATED],
            "certificates_deleted": self.certificates[CertificateOutcome.DELETED],
            "certificates_kept": self.certificates[CertificateOutcome.KEPT],
            "certificates_existing": self.certificates[CertificateOutcome.EXISTS],
            "certificates_revoked": self.certificates[CertificateOutcome.REVOKED],
            "not_passed": self.certificates[CertificateOutcome.NOT_PASSED],
            "no_paid_enrollment": self.certificates[CertificateOutcome.NO_PAID_ENROLLMENT],
            "not_due": self.certificates[CertificateOutcome.NOT_DUE],
            "failures": self.failures,
        }


Progress = Callable[[GenerationSummary], object]
