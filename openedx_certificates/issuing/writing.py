"""Carrying out what the rules say: for a page of learners or for one, in the same few statements."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import Error as DatabaseFailure
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from openedx_certificates import host
from openedx_certificates.clock import database_now
from openedx_certificates.held.outcomes import settle_certified
from openedx_certificates.held.payments import find_late_payments
from openedx_certificates.issuing.after_commit import announce, keep_apart
from openedx_certificates.issuing.bulk import insert_grades, update_grades
from openedx_certificates.issuing.errors import CertificateNotSaved
from openedx_certificates.issuing.standings import LockedStanding, lock_standings, look_at_standings
from openedx_certificates.logs import get_logger
from openedx_certificates.models import CourseRunCertificateDeletion, ZeroNote
from openedx_certificates.rules import (
    CertificateOutcome,
    GradeOutcome,
    Standing,
    Verdict,
    ZeroNoteChange,
)

log = get_logger(__name__)

Judge = Callable[[int, Standing], Verdict]


@dataclass(frozen=True, slots=True)
class Result:
    """What was decided of a learner, and the rows as they are after it."""

    verdict: Verdict
    grade: host.Grade | None
    certificate: host.Certificate | None


def carry_out_where_needed(
    course_run: host.CourseRun,
    users: Collection[int],
    judge: Judge,
    alive: Callable[[], object] = lambda: None,
) -> dict[int, Verdict]:
    """Do what `carry_out` does, for a page of which most need no change: those are not even locked.

    Returns what was decided of each. Arguments, and what is raised, are those of `carry_out`.
    """
    seen = look_at_standings(course_run, users)
    judged = {user: judge(user, standing) for user, standing in seen.items()}
    verdicts = {user: found for user, found in judged.items() if not found.needs_writing}
    _log(course_run, verdicts)
    changing = [user for user in users if user not in verdicts]
    results = carry_out(course_run, changing, judge, alive)
    return verdicts | {user: result.verdict for user, result in results.items()}


def carry_out(
    course_run: host.CourseRun,
    users: Collection[int],
    judge: Judge,
    alive: Callable[[], object] = lambda: None,
) -> dict[int, Result]:
    """Bring the learners' grades and certificates in line with what is judged; return how they are.

    Of one learner alone, an open request is settled if there is a certificate then; a page's caller
    does that for all of the page.

    The number of statements does not depend on the number of learners, but for new certificates, which
    the host's own model saves one by one. All that is written is committed at once if the caller is in
    no transaction. Learners are judged once more if a simultaneous transaction was quicker, by
    what that one has left.

    Args:
        course_run: the run.
        users: the learners' ids.
        judge: says what is to become of a learner, by how the learner stands; asked under a lock.
        alive: called between the receivers of the signals.

    Raises Django's database errors, and CertificateNotSaved; nothing is written then since the last
    commit.
    """
    done: dict[int, Result] = {}
    # In one order, so that no two pages wait for each other.
    pending = sorted(users)
    was_refused = False
    while pending:
        try:
            with transaction.atomic():
                standings = lock_standings(course_run, pending)
                judged = {
                    user: Result(judge(user, standing), standing.grade, standing.certificate)
                    for user, standing in standings.items()
                }
                with keep_apart():
                    written = _write(course_run, judged, standings)
                if len(users) == 1:
                    # In the same commit: what follows it, a receiver's work, needs no connection then.
                    settle_certified(course_run, _outcomes(written))
        except IntegrityError:
            # Another process has created one of the certificates since we looked. If the values
            # themselves are refused, the same error comes again.
            if was_refused:
                raise
            was_refused = True
            continue
        verdicts = {user: result.verdict for user, result in written.items()}
        _log(course_run, verdicts)
        # Now, or at the end of the caller's transaction.
        transaction.on_commit(partial(find_late_payments, course_run.pk, verdicts))
        # The last: it can raise.
        transaction.on_commit(partial(announce, *_list_changes(judged, written), alive))
        done |= written
        pending = [user for user in pending if user not in written]
    return done


def _outcomes(results: Mapping[int, Result]) -> dict[int, CertificateOutcome]:
    return {user: result.verdict.certificate for user, result in results.items()}


def _write(
    course_run: host.CourseRun,
    judged: Mapping[int, Result],
    standings: Mapping[int, LockedStanding],
) -> dict[int, Result]:
    """Write what was judged, and return how it is then.

    Learners are left out if a simultaneous transaction has stored their grade.
    """
    grades = _write_grades(course_run, judged)
    judged = {user: result for user, result in judged.items() if user in grades}
    _write_zero_notes(judged)
    certificates = {user: result.certificate for user, result in judged.items()}
    certificates |= dict.fromkeys(_delete_certificates(course_run, judged, grades))
    certificates |= _create_certificates(
        course_run,
        {
            user: standings[user].read_on or database_now()
            for user, result in judged.items()
            if result.verdict.certificate is CertificateOutcome.CREATED
        },
    )
    return {
        user: Result(result.verdict, grades[user], certificates[user])
        for user, result in judged.items()
    }


def _write_grades(
    course_run: host.CourseRun, judged: Mapping[int, Result]
) -> dict[int, host.Grade | None]:
    """Store the new grades, with an audit row for each change; return how each grade is then."""
    new = {
        user: result.verdict.new_grade
        for user, result in judged.items()
        if result.verdict.grade is GradeOutcome.CREATED and result.verdict.new_grade is not None
    }
    stored = {user: result.grade for user, result in judged.items() if user not in new}
    stored |= insert_grades(course_run, new)
    changes = []
    for result in judged.values():
        grade, reported = result.grade, result.verdict.new_grade
        if grade is None or reported is None:
            continue
        changes.append((grade, host.snapshot(grade)))
        grade.grade, grade.passed = reported.percent, reported.passed
        grade.letter_grade = reported.letter_grade
    if changes:
        update_grades([grade for grade, _ in changes])
        host.record_grade_changes(changes)
    return stored


def _write_zero_notes(judged: Mapping[int, Result]) -> None:
    begun, cleared = (
        [
            result.certificate.uuid
            for result in judged.values()
            if result.verdict.zero_note is change and result.certificate is not None
        ]
        for change in (ZeroNoteChange.BEGUN, ZeroNoteChange.CLEARED)
    )
    if begun:
        ZeroNote.objects.bulk_create(
            [ZeroNote(certificate_uuid=uuid, reported_on=Now()) for uuid in begun],
            update_conflicts=True,
            unique_fields=["certificate_uuid"],
            update_fields=["reported_on", "updated_on"],
        )
    if cleared:
        ZeroNote.objects.filter(certificate_uuid__in=cleared).delete()


def _delete_certificates(
    course_run: host.CourseRun,
    judged: Mapping[int, Result],
    grades: Mapping[int, host.Grade | None],
) -> list[int]:
    """Delete the certificates that a 0.0 takes away, keep a record of each, and return the ids of their users."""
    deletions = []
    for user, result in judged.items():
        grade, certificate = grades[user], result.certificate
        if result.verdict.certificate is not CertificateOutcome.DELETED:
            continue
        if grade is None or certificate is None:
            continue
        deletions.append(
            CourseRunCertificateDeletion(
                user_id=user,
                course_run=course_run,
                certificate_uuid=certificate.uuid,
                certificate=host.snapshot(certificate),
                grade=host.snapshot(grade),
                reason=(
                    "an administrator set the grade to 0.0"
                    if grade.set_by_admin
                    else "Open edX reported a grade of 0.0"
                ),
            )
        )
    if deletions:
        CourseRunCertificateDeletion.objects.bulk_create(deletions)
        uuids = [deletion.certificate_uuid for deletion in deletions]
        ZeroNote.objects.filter(certificate_uuid__in=uuids).delete()
        host.certificates().filter(uuid__in=uuids).delete()
    return [deletion.user_id for deletion in deletions]


def _create_certificates(
    course_run: host.CourseRun, issue_dates: Mapping[int, datetime]
) -> dict[int, host.Certificate]:
    """Create the certificates by the host's model and its `save()`: much of the host hangs on that."""
    model, created = host.certificate_model(), {}
    for user, now in issue_dates.items():
        certificate: host.Certificate = model(user_id=user, course_run=course_run, issue_date=now)
        try:
            certificate.save(force_insert=True)
        except DatabaseFailure:
            raise
        except Exception as error:
            raise CertificateNotSaved(f"{type(error).__name__} while it was saved") from error
        created[user] = certificate
    return created


def _list_changes(
    judged: Mapping[int, Result], written: Mapping[int, Result]
) -> tuple[list[host.Certificate], list[host.Certificate]]:
    """Return the certificates that were created, and those that were deleted."""
    created, deleted = (
        [
            rows[user].certificate
            for user, result in written.items()
            if result.verdict.certificate is outcome
        ]
        for outcome, rows in (
            (CertificateOutcome.CREATED, written),
            (CertificateOutcome.DELETED, judged),
        )
    )
    return created, deleted


def _log(course_run: host.CourseRun, verdicts: Mapping[int, Verdict]) -> None:
    for user, verdict in verdicts.items():
        ids = {"user_id": user, "course_id": course_run.courseware_id}
        if verdict.certificate is CertificateOutcome.CREATED:
            log.info("certificate created", extra=ids)
        elif verdict.certificate is CertificateOutcome.DELETED:
            log.warning("certificate deleted", extra=ids)
        elif (
            verdict.grade is GradeOutcome.HELD_BACK
            and verdict.certificate is not CertificateOutcome.KEPT
        ):
            log.warning(
                "report that would take a certificate away is held back until it is confirmed",
                extra={
                    **ids,
                    "reported_for_seconds": round(verdict.zero_reported_for.total_seconds()),
                },
            )
