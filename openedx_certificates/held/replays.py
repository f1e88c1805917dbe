"""What administrators do with held requests, and when settled ones go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from openedx_certificates import host
from openedx_certificates.held.outcomes import settle
from openedx_certificates.held.queue import (
    RELEASED,
    Reason,
    Status,
    get_free_requests,
    get_open_requests,
)
from openedx_certificates.models import (
    CertificateRequest,
    CourseRunCertificateDeletion,
    CourseRunSweep,
    ZeroNote,
)
from openedx_certificates.settings import app_settings


class Left(StrEnum):
    """Why a request was not started, said behind how many those are."""

    AT_WORK = "that somebody works on"
    OTHER_IS_OPEN = "whose learner has another open request of the run, which is due instead"
    LATER_IS_CHOSEN = "older than another that was chosen, of the same learner and run"


@dataclass(frozen=True)
class Replay:
    """What became of requests that an administrator wants started again.

    Args:
        started: the keys of those that are due now.
        left: how many of the chosen were not started, by the reason.
    """

    started: frozenset[int]
    left: Counter[Left]

    def __str__(self) -> str:
        told = f"{len(self.started):,} request(s) are due now."
        if not self.left:
            return told
        reasons = "; ".join(f"{self.left[why]:,} {why}" for why in Left if why in self.left)
        return f"{told} Left alone: {reasons}."


def reopen(requests: QuerySet[CertificateRequest]) -> Replay:
    """Start the requests again, as an administrator wishes, and return what became of them.

    They are due at once and do not wait for a pause to end. If the learner has an open request of
    the run, that one is made due, chosen or not; a learner has one at most, so without one the
    latest of the chosen is opened. What a worker has at this moment is left alone.

    A handful of statements, however many requests there are.
    """
    chosen = requests.order_by("user", "course_run", "pk")
    return _reopen(list(chosen.values_list("user", "course_run", "pk")))


def _reopen(chosen: Sequence[tuple[int, int, int]]) -> Replay:
    try:
        with transaction.atomic():
            return _start(chosen)
    except IntegrityError:
        # An event has opened another request of one of these learners since we looked. In halves,
        # so that events that keep coming don't hold up the many they are not about.
        middle = len(chosen) // 2
        first, second = _reopen(chosen[:middle]), _reopen(chosen[middle:])
        return Replay(first.started | second.started, first.left + second.left)


def _start(chosen: Sequence[tuple[int, int, int]]) -> Replay:
    rows = CertificateRequest.objects.filter(pk__in=[pk for _, _, pk in chosen])
    has_one_chosen = Exists(rows.filter(user=OuterRef("user"), course_run=OuterRef("course_run")))
    open_already = {
        (user, run): pk
        for user, run, pk in get_open_requests()
        .filter(has_one_chosen)
        .values_list("user", "course_run", "pk")
    }
    # Of several of a learner and a run the last one counts, the latest.
    wanted = {(user, run): pk for user, run, pk in chosen} | open_already
    can_start = CertificateRequest.objects.exclude(status=Status.OPEN) | get_free_requests()
    # In one order, so that two administrators don't wait for each other for ever.
    locked = can_start.filter(pk__in=wanted.values()).order_by("pk").select_for_update()
    started = frozenset(locked.values_list("pk", flat=True))
    CertificateRequest.objects.filter(pk__in=started).update(
        status=Status.OPEN,
        reason=Reason.NONE,
        settled_on=None,
        failing_since=None,
        not_passed_answers=0,
        ignores_pause=True,
        deliveries=F("deliveries") + 1,
        last_delivered_on=Now(),
        next_attempt_on=Now(),
        updated_on=Now(),
        **RELEASED,
    )
    left: Counter[Left] = Counter()
    for user, run, pk in chosen:
        if wanted[user, run] not in started:
            left[Left.AT_WORK] += 1
        elif pk != wanted[user, run]:
            is_open = (user, run) in open_already
            left[Left.OTHER_IS_OPEN if is_open else Left.LATER_IS_CHOSEN] += 1
    return Replay(started, left)


@transaction.atomic
def settle_as_failed(requests: QuerySet[CertificateRequest]) -> list[int]:
    """Settle as failed, by an administrator's word, what is open; return the keys of those."""
    # In one order, so that two administrators don't wait for each other for ever.
    waiting = requests.filter(status=Status.OPEN).order_by("pk").select_for_update()
    locked = list(waiting.values_list("pk", flat=True))
    settle(CertificateRequest.objects.filter(pk__in=locked), Status.FAILED)
    return locked


def prune_requests() -> int:
    """Delete what was settled over RETENTION_IN_DAYS days ago; return how many."""
    ended = Now() - timedelta(days=app_settings.RETENTION_IN_DAYS)
    deleted, _ = CertificateRequest.objects.filter(settled_on__lt=ended).delete()
    _delete_what_refers_to_nothing()
    return deleted


def _delete_what_refers_to_nothing() -> None:
    """Delete the rows of users, runs and certificates that a host without this app has deleted."""
    users, runs = host.users().filter(pk=OuterRef("user")), host.course_runs()
    has_no_run = ~Exists(runs.filter(pk=OuterRef("course_run")))
    for model in (CertificateRequest, CourseRunCertificateDeletion):
        model._base_manager.filter(~Exists(users) | has_no_run).delete()
    CourseRunSweep.objects.filter(has_no_run).delete()
    noted = host.certificates().filter(uuid=OuterRef("certificate_uuid"))
    ZeroNote.objects.filter(~Exists(noted)).delete()
