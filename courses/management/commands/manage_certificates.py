"""Create, revoke and give back certificates by hand."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseFailure

from courses.api import (
    generate_course_run_certificates,
    manage_course_run_certificate_access,
    override_user_grade,
    process_course_run_grade_certificate,
)
from courses.models import CourseRun
from openedx_certificates.api import (
    EDX_GRADE_MAX,
    EDX_GRADE_MIN,
    EDX_LETTER_GRADE_MAX_LENGTH,
    CannotAsk,
    CertificateOutcome,
    GenerationSummary,
    OpenEdxError,
    count_learners_to_sweep,
    describe_failure,
)
from openedx_certificates.management.examples import CommandWithExamples
from openedx_certificates.management.lookup import get_run, get_user
from openedx_certificates.management.progress import add_progress_argument, progress_bar
from users.models import User

OUTCOMES = {
    CertificateOutcome.CREATED: "The certificate was created.",
    CertificateOutcome.EXISTS: "The certificate existed before.",
    CertificateOutcome.REVOKED: "The certificate is revoked; --unrevoke gives it back.",
    CertificateOutcome.DELETED: "The grade is 0.0: the certificate was deleted.",
    CertificateOutcome.KEPT: "The certificate was kept.",
    CertificateOutcome.NOT_PASSED: "No certificate: the learner has not passed.",
    CertificateOutcome.NO_PAID_ENROLLMENT: "No certificate: the learner has no paid enrollment.",
    CertificateOutcome.NOT_DUE: "No certificate yet: its date has not come; --force waives that.",
}

EXAMPLES = """
examples:
  --create                          sweep all eligible runs, as the periodic task does
  --create --run ID                 sweep one run, eligible or not
  --create --user LEARNER           one learner, in the eligible runs of an active enrollment
  --create --user LEARNER --run ID --force
                                    one learner in one run, before the certificates' date
  --create --user LEARNER --run ID --grade 0.9 --letter-grade A
                                    set the grade by hand and issue the certificate
  --create --user LEARNER --run ID --grade 0.0
                                    set the grade by hand and take the certificate away
  --create --run ID --allow-deletions
                                    believe very many grades of 0.0
  --revoke --user LEARNER --run ID  revoke it; --unrevoke gives it back
"""


class Command(CommandWithExamples):
    """The administrator's way to what the webhook and the periodic task do, and to exceptions."""

    help = (
        "Creates certificates from Open edX's grades, revokes them, or gives them back. "
        "Every form can be repeated without harm."
    )

    examples = EXAMPLES

    def add_arguments(self, parser: CommandParser) -> None:
        action = parser.add_mutually_exclusive_group(required=True)
        action.add_argument(
            "--create", action="store_true", help="Create the certificates that are earned."
        )
        action.add_argument("--revoke", action="store_true", help="Revoke a certificate.")
        action.add_argument(
            "--unrevoke", action="store_true", help="Give a revoked certificate back."
        )
        parser.add_argument("--user", help="The learner's e-mail address or username.")
        parser.add_argument("--run", help="The course run, by Open edX's course id.")
        parser.add_argument(
            "--force",
            action="store_true",
            help="With --create: do not wait for the certificates' date. Nothing else is waived.",
        )
        parser.add_argument(
            "--grade",
            type=float,
            help="With --create, --user and --run: set this grade (0.0 to 2.0; 1.0 is all points) "
            "instead of asking Open edX, which never overwrites it. Above 0.0 the learner passes "
            "and gets the certificate, whatever the enrollment and the date; 0.0 takes it away.",
        )
        parser.add_argument(
            "--letter-grade",
            help=f"With --grade: its letter, at most {EDX_LETTER_GRADE_MAX_LENGTH} characters.",
        )
        parser.add_argument(
            "--by", help="With --grade: the administrator's username, for the audit row."
        )
        parser.add_argument(
            "--allow-deletions",
            action="store_true",
            help="With --create and --run: let grades of 0.0 delete certificates also where they "
            "are so many that a fault of Open edX is likelier. The log names such a run.",
        )
        add_progress_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_wrong_combinations(options)
        user = get_user(options["user"]) if options["user"] is not None else None
        run = get_run(options["run"]) if options["run"] is not None else None
        if user is None or run is None or (options["create"] and options["grade"] is None):
            self._create(user, run, options)
        elif options["create"]:
            self._override(user, run, options)
        else:
            self._manage_access(user, run, revoke=options["revoke"])

    def _create(self, user: User | None, run: CourseRun | None, options: dict[str, Any]) -> None:
        learners = count_learners_to_sweep(user, run)
        with progress_bar(learners, "learners", options["progress"]) as bar:

            def report(summary: GenerationSummary) -> None:
                bar.set_postfix(
                    created=summary.certificates[CertificateOutcome.CREATED],
                    failures=summary.failures,
                    refresh=False,
                )
                bar.update(summary.learners - bar.n)

            try:
                summary = generate_course_run_certificates(
                    user,
                    run,
                    options["force"],
                    allow_deletions=options["allow_deletions"],
                    report=report,
                )
            except OpenEdxError as error:
                advice = "Try again later." if error.retryable else "Trying again will not help."
                raise CommandError(f"{error} Nothing was changed. {advice}") from error
            except CannotAsk as error:
                raise CommandError(f"{error} Nothing was changed.") from error
            except DatabaseFailure as error:
                # Its text can hold values of the learner's row.
                raise CommandError(f"The database failed: {describe_failure(error)}.") from None
            # It was about as many: only Open edX knows how many it lists.
            bar.total = bar.n
        if user is not None and run is not None:
            self.stdout.write(OUTCOMES[summary.outcome])
        else:
            self.stdout.write(_describe(summary))
        problems = []
        if summary.failures:
            runs = f": {', '.join(summary.failed_runs)}" if summary.failed_runs else ""
            problems.append(
                f"{len(summary.failed_runs)} run(s) and {summary.failed_learners} learner(s) "
                f"failed{runs}. The log says why; the command can be repeated."
            )
        if kept := summary.certificates[CertificateOutcome.KEPT]:
            problems.append(
                f"{kept} certificate(s) were not deleted: so many grades of 0.0 in one run look "
                "like a fault of Open edX, or the run broke off. The log names the run. If they "
                "are right: --create --run ID --allow-deletions."
            )
        if problems:
            raise CommandError(" ".join(problems))

    def _override(self, user: User, run: CourseRun, options: dict[str, Any]) -> None:
        grade = override_user_grade(
            user,
            options["grade"],
            options["letter_grade"],
            run.courseware_id,
            should_force_pass=True,
            acting_user=get_user(options["by"]) if options["by"] else None,
        )
        certificate, created, deleted = process_course_run_grade_certificate(
            grade, should_force_create=True
        )
        if created:
            outcome = CertificateOutcome.CREATED
        elif deleted:
            outcome = CertificateOutcome.DELETED
        elif certificate is None:
            outcome = CertificateOutcome.NOT_PASSED
        elif certificate.is_revoked:
            outcome = CertificateOutcome.REVOKED
        else:
            outcome = CertificateOutcome.EXISTS
        self.stdout.write(f"The grade was set. {OUTCOMES[outcome]}")

    def _manage_access(self, user: User, run: CourseRun, *, revoke: bool) -> None:
        if not manage_course_run_certificate_access(user, run.courseware_id, revoke):
            raise CommandError(f"User {user.pk} has no certificate of {run.courseware_id}.")
        self.stdout.write(
            "The certificate is revoked." if revoke else "The certificate is valid again."
        )


def _refuse_wrong_combinations(options: dict[str, Any]) -> None:
    # By "is it given" and not by truth: 0.0 is a grade, and not "no grade".
    given = {name for name in ("grade", "letter_grade", "by") if options[name] is not None}
    given |= {name for name in ("force", "allow_deletions") if options[name]}
    if not options["create"] and given:
        raise CommandError(f"{_flag(min(given))} goes with --create only.")
    if options["allow_deletions"] and (not options["run"] or options["user"] or "grade" in given):
        raise CommandError("--allow-deletions goes with --create and --run, for the whole run.")
    given.discard("allow_deletions")
    if options["create"] and "grade" not in given and given - {"force"}:
        raise CommandError(f"{_flag(min(given - {'force'}))} goes with --grade only.")
    if {"grade", "force"} <= given:
        raise CommandError("--grade waits for no date: leave --force out.")
    if ("grade" in given or not options["create"]) and not (options["user"] and options["run"]):
        raise CommandError("--grade, --revoke and --unrevoke need both --user and --run.")
    if "grade" in given:
        _refuse_wrong_grade(options["grade"], options["letter_grade"])


def _refuse_wrong_grade(grade: float, letter_grade: str | None) -> None:
    if not EDX_GRADE_MIN <= grade <= EDX_GRADE_MAX:
        raise CommandError(f"--grade goes from {EDX_GRADE_MIN} to {EDX_GRADE_MAX}.")
    if letter_grade is not None and not (
        0 < len(letter_grade) <= EDX_LETTER_GRADE_MAX_LENGTH and letter_grade.isprintable()
    ):
        raise CommandError(f"--letter-grade takes 1 to {EDX_LETTER_GRADE_MAX_LENGTH} characters.")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _describe(summary: GenerationSummary) -> str:
    counts = summary.as_dict()
    return (
        "{runs} run(s), {learners} learner(s). "
        "Grades: {grades_created} created, {grades_updated} updated, "
        "{grades_unchanged} unchanged, {grades_held_back} held back, {grades_refused} refused. "
        "Certificates: {certificates_created} created, {certificates_existing} existing, "
        "{certificates_deleted} deleted, {certificates_kept} kept in spite of 0.0, "
        "{certificates_revoked} revoked. "
        "Without: {not_passed} not passed, {no_paid_enrollment} not paid, {not_due} not due. "
        "Failures: {failures}."
    ).format(**counts)
