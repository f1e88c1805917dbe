"""One learner in one run: fetch the grade, judge it, write what is decided, settle what waited for it."""

from openedx_certificates import host
from openedx_certificates.issuing.fetching import fetch_grade
from openedx_certificates.issuing.writing import carry_out
from openedx_certificates.rules import Standing, Terms, Verdict, judge_report, must_ask_again
from openedx_certificates.wire.exceptions import UnusableGrade
from openedx_certificates.wire.grades import EdxGrade

OVERTAKEN = "Another grade was stored while Open edX was asked: the answer may be older or newer."


def issue_certificate(
    user: host.User, course_run: host.CourseRun, *, is_due: bool, patient: bool = False
) -> Verdict:
    """Store the grade that Open edX reports, create the certificate it earns, and return the verdict.

    Repeatable, also at the same time. An open request of the learner in the run is settled if the
    learner has a certificate then.

    Args:
        user: the learner.
        course_run: the run.
        is_due: whether certificates may be created by now.
        patient: whether the caller has time, so that a failed question is asked again.

    Raises OpenEdxError, also if another grade was stored while Open edX was asked, and that one earns
    no certificate: the answer may be the newer one. CannotAsk, CertificateNotSaved, and Django's
    database errors.
    """
    # The question comes first: no transaction is open while it is waited for.
    reported = fetch_grade(course_run, user, patient=patient)
    return issue_for_grade(user.pk, course_run, reported, Terms(is_due=is_due))


def issue_for_grade(
    user_id: int, course_run: host.CourseRun, reported: EdxGrade, terms: Terms
) -> Verdict:
    """Do what `issue_certificate` does, for a grade in hand.

    Args:
        user_id: the learner's key.
        course_run: the run.
        reported: what Open edX reports.
        terms: what the caller may have done.

    Raises UnusableGrade, CertificateNotSaved, and Django's database errors.
    """

    def judge(_user: int, standing: Standing) -> Verdict:
        return judge_report(standing, reported, terms, asked_at=reported.asked_at)

    verdict = carry_out(course_run, [user_id], judge)[user_id].verdict
    if must_ask_again(verdict.grade, verdict.certificate):
        raise UnusableGrade(OVERTAKEN)
    return verdict
