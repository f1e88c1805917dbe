"""Carrying out what the rules say: for a page of learners or for one, in the same few statements."""

import logging
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.db.models.functions import Now

from courses.api.bulk import insert_certificates, insert_grades, update_grades
from courses.api.payments import find_late_payments
from courses.api.rules import CertificateOutcome, GradeOutcome, Verdict, ZeroNote
from courses.api.standings import Standing, lock_standings, look_at_standings
from courses.models import (
    CourseRun,
    CourseRunCertificate,
    CourseRunCertificateDeletion,
    CourseRunGrade,
    CourseRunGradeAudit,
)
from courses.models.audit import snapshot
from courses.signals import certificate_created

log = logging.getLogger(__name__)

Judge = Callable[[int, Standing], Verdict]
CarryOut = Callable[[CourseRun, Collection[int], Judge], dict[int, Verdict]]


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided of a learner, and the rows as they are after it."""

    verdict: Verdict
    grade: CourseRunGrade | None
    certificate: CourseRunCertificate | None


def carry_out_where_needed(
    course_run: CourseRun, users: Collection[int], judge: Judge
) -> dict[int, Verdict]:
    """Do what `carry_out` does, for a page of whom most need no change: those are not even locked.

    Returns what was decided of each. Arguments, and what is raised, are those of `carry_out`.
    """
    seen = look_at_standings(course_run, users)
    judged = {user: judge(user, standing) for user, standing in seen.items()}
    verdicts = {user: found for user, found in judged.items() if not found.needs_writing}
    _log(course_run, verdicts)
    changing = [user for user in users if user not in verdicts]
    return verdicts | carry_out_at_once(course_run, changing, judge)


def carry_out_at_once(
    course_run: CourseRun, users: Collection[int], judge: Judge
) -> dict[int, Verdict]:
    """Do what `carry_out` does, for a caller who wants what was decided and not the rows.

    For one learner alone: to look before locking would cost as much again.
    """
    settled = carry_out(course_run, users, judge)
    return {user: found.verdict for user, found in settled.items()}


def carry_out(course_run: CourseRun, users: Collection[int], judge: Judge) -> dict[int, Settled]:
    """Bring the learners' grades and certificates in line with what is judged; return how they are.

    The number of statements does not depend on the number of learners. All that is written is
    committed at once, where the caller is in no transaction. Whom a simultaneous transaction was
    quicker for is judged once more, by what that one has left.

    Args:
        course_run: the run.
        users: the learners' ids.
        judge: says what is to become of a learner, by how the learner stands; asked under a lock.

    Raises Django's database errors; nothing is written then since the last commit.
    """
    done: dict[int, Settled] = {}
    # In one order, so that no two pages wait for each other.
    pending = sorted(users)
    while pending:
        with transaction.atomic():
            standings = lock_standings(course_run, pending)
            judged = {
                user: Settled(judge(user, standing), standing.grade, standing.certificate)
                for user, standing in standings.items()
            }
            written = _write(course_run, judged)
        verdicts = {user: found.verdict for user, found in written.items()}
        _log(course_run, verdicts)
        # Now, or at the end of the caller's transaction.
        transaction.on_commit(partial(_announce, _created(written)))
        transaction.on_commit(partial(find_late_payments, course_run.pk, verdicts))
        done |= written
        pending = [user for user in pending if user not in written]
    return done


def _write(course_run: CourseRun, judged: Mapping[int, Settled]) -> dict[int, Settled]:
    """Write what was judged, and return how it is then; without those who were overtaken."""
    grades = _write_grades(course_run, judged)
    judged = {user: found for user, found in judged.items() if user in grades}
    _write_zero_notes(judged)
    _delete_certificates(course_run, judged, grades)
    earned = _users(judged, CertificateOutcome.CREATED)
    created = insert_certificates(course_run, earned)
    for new in created.values():
        # In hand already: no query for whoever is told.
        new.course_run = course_run
    certificates = {user: found.certificate for user, found in judged.items()}
    certificates |= dict.fromkeys(_users(judged, CertificateOutcome.DELETED)) | created
    overtaken = set(earned) - set(created)
    return {
        user: Settled(found.verdict, grades[user], certificates[user])
        for user, found in judged.items()
        if user not in overtaken
    }


def _write_grades(
    course_run: CourseRun, judged: Mapping[int, Settled]
) -> dict[int, CourseRunGrade | None]:
    """Store the new grades, with an audit row for each change; return how each grade is then.

    Left out are learners whose grade a simultaneous transaction has stored.
    """
    new = {
        user: found.verdict.new_grade
        for user, found in judged.items()
        if found.verdict.grade is GradeOutcome.CREATED and found.verdict.new_grade is not None
    }
    stored: dict[int, CourseRunGrade | None] = {
        user: found.grade for user, found in judged.items() if user not in new
    }
    stored |= insert_grades(course_run, new)
    changed, before = [], []
    for found in judged.values():
        grade, reported = found.grade, found.verdict.new_grade
        if grade is None or reported is None:
            continue
        before.append(snapshot(grade))
        grade.grade, grade.passed = reported.percent, reported.passed
        grade.letter_grade = reported.letter_grade
        changed.append(grade)
    update_grades(changed)
    if changed:
        CourseRunGradeAudit.objects.bulk_create(
            CourseRunGradeAudit(
                course_run_grade=grade, data_before=as_it_was, data_after=snapshot(grade)
            )
            for grade, as_it_was in zip(changed, before, strict=True)
        )
    return stored


def _write_zero_notes(judged: Mapping[int, Settled]) -> None:
    for note, moment in ((ZeroNote.BEGUN, Now()), (ZeroNote.CLEARED, None)):
        certificates = [
            found.certificate.pk
            for found in judged.values()
            if found.verdict.zero_note is note and found.certificate is not None
        ]
        if certificates:
            CourseRunCertificate.all_objects.filter(pk__in=certificates).update(
                zero_reported_on=moment, updated_on=Now()
            )


def _delete_certificates(
    course_run: CourseRun,
    judged: Mapping[int, Settled],
    grades: Mapping[int, CourseRunGrade | None],
) -> None:
    deletions = []
    for user in _users(judged, CertificateOutcome.DELETED):
        grade, certificate = grades[user], judged[user].certificate
        if grade is None or certificate is None:
            continue
        deletions.append(
            CourseRunCertificateDeletion(
                user_id=user,
                course_run=course_run,
                certificate_uuid=certificate.uuid,
                certificate=snapshot(certificate),
                grade=snapshot(grade),
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
        CourseRunCertificate.all_objects.filter(uuid__in=uuids).delete()


def _created(written: Mapping[int, Settled]) -> list[CourseRunCertificate]:
    return [
        found.certificate
        for found in written.values()
        if found.verdict.certificate is CertificateOutcome.CREATED and found.certificate is not None
    ]


def _users(judged: Mapping[int, Settled], outcome: CertificateOutcome) -> list[int]:
    return [user for user, found in judged.items() if found.verdict.certificate is outcome]


def _announce(certificates: Collection[CourseRunCertificate]) -> None:
    """Tell whoever wants to know; one who fails keeps the others from nothing."""
    for certificate in certificates:
        replies = certificate_created.send_robust(
            sender=CourseRunCertificate, certificate=certificate
        )
        for receiver, reply in replies:
            if isinstance(reply, Exception):
                log.error(
                    "a receiver of certificate_created failed",
                    extra={
                        "receiver": getattr(receiver, "__qualname__", type(receiver).__name__),
                        "certificate": str(certificate.uuid),
                        # Without the error's own text, which could hold the learner's values.
                        "error": type(reply).__name__,
                        "stack": "".join(traceback.format_tb(reply.__traceback__)),
                    },
                )


def _log(course_run: CourseRun, verdicts: Mapping[int, Verdict]) -> None:
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
