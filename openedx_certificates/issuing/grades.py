"""Storing grades: Open edX's, and an administrator's."""

from django.db import transaction

from openedx_certificates import host
from openedx_certificates.issuing.writing import carry_out
from openedx_certificates.logs import get_logger
from openedx_certificates.rules import (
    NO_CERTIFICATE_GRADE,
    GradeOutcome,
    ReportedGrade,
    Standing,
    Verdict,
    is_grade,
    judge_grade,
)

log = get_logger(__name__)


def ensure_course_run_grade(
    user: host.User,
    course_run: host.CourseRun,
    edx_grade: ReportedGrade,
    should_update: bool = False,
) -> tuple[host.Grade | None, bool, bool]:
    """Store the grade Open edX reports, and return (the stored grade, created, updated).

    Repeatable, also at the same time. A grade that exists changes only with `should_update`, never
    if an administrator set it, and leaves an audit row. A reported 0.0 beside a certificate
    exists is held back until it is confirmed (see `judge_grade`); the grade returned is then the
    one that was there, None if there was none.

    Raises ValueError for a percent that can be no grade.
    """

    _refuse_unless_grade(edx_grade.percent)

    def judge(_user: int, standing: Standing) -> Verdict:
        return judge_grade(standing, edx_grade, should_update=should_update)

    settled = carry_out(course_run, [user.pk], judge)[user.pk]
    if settled.grade is not None:
        # In hand already: no query when they are asked for.
        settled.grade.user, settled.grade.course_run = user, course_run
    outcome = settled.verdict.grade
    return settled.grade, outcome is GradeOutcome.CREATED, outcome is GradeOutcome.UPDATED


@transaction.atomic
def override_user_grade(
    user: host.User,
    override_grade: float,
    letter_grade: str | None,
    courseware_id: str,
    should_force_pass: bool = False,
    acting_user: host.User | None = None,
) -> host.Grade:
    """Set a learner's grade as an administrator does, and return it.

    Open edX does not overwrite it from then on. 0.0 is a grade: it is stored as not passed. Any
    other leaves `passed` as it is, or sets it with `should_force_pass`. The certificate is not
    touched: `process_course_run_grade_certificate` does that.

    Args:
        user: the learner.
        override_grade: 0.0 to 2.0, 1.0 being all points.
        letter_grade: at most ten characters, or None.
        courseware_id: Open edX's course id of the run.
        should_force_pass: whether the learner passes with it.
        acting_user: the administrator, if known.

    Raises the model's DoesNotExist for an unknown run, ValueError for a number that can be no grade.
    """
    _refuse_unless_grade(override_grade)
    course_run = host.course_runs().get(courseware_id=courseware_id)
    grade, created = host.grades().get_or_create(
        user=user,
        course_run=course_run,
        defaults={
            "grade": override_grade,
            "letter_grade": letter_grade,
            "passed": should_force_pass and override_grade > NO_CERTIFICATE_GRADE,
            "set_by_admin": True,
        },
    )
    if not created:
        # Read again under the lock: a sync may have changed the row since the first look.
        grade = host.grades().select_for_update(of=("self",)).get(pk=grade.pk)
        before = host.snapshot(grade)
        grade.grade = override_grade
        grade.letter_grade = letter_grade
        grade.passed = override_grade > NO_CERTIFICATE_GRADE and (grade.passed or should_force_pass)
        grade.set_by_admin = True
        grade.save()
        host.record_grade_changes([(grade, before)], acting_user=acting_user)
    log.info("grade overridden", extra={"user_id": user.pk, "course_id": courseware_id})
    return grade


def _refuse_unless_grade(percent: float) -> None:
    if not is_grade(percent):
        raise ValueError("a grade goes from 0.0 to 2.0")
