"""What administrators do with held requests, and when settled ones go."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from courses.api.request_outcomes import settle
from courses.api.request_queue import (
    RELEASED,
    Reason,
    Status,
    get_free_requests,
    get_open_requests,
)
from courses.models import CertificateRequest


def reopen(request: CertificateRequest) -> CertificateRequest | None:
    """Start a request anew, as an administrator wishes; return what is open then.

    It is due at once and does not wait for a pause to end. Where the learner has another open
    request of the run, that one is. None where somebody works on it at this moment.
    """
    anew: dict[str, Any] = {
        "status": Status.OPEN,
        "reason": Reason.NONE,
        "settled_on": None,
        "failing_since": None,
        "not_passed_answers": 0,
        "ignores_pause": True,
        "last_delivered_on": Now(),
        "next_attempt_on": Now(),
        "updated_on": Now(),
        **RELEASED,
    }
    rows = CertificateRequest.objects.exclude(status=Status.OPEN) | get_free_requests()
    opened = rows.filter(user=request.user_id, course_run=request.course_run_id)
    for chosen in (opened.filter(pk=request.pk), opened.filter(status=Status.OPEN)):
        try:
            with transaction.atomic():
                if chosen.update(deliveries=F("deliveries") + 1, **anew):
                    # Before the end of the transaction nobody can settle it.
                    return get_open_requests().get(
                        user=request.user_id, course_run=request.course_run_id
                    )
                return None
        except IntegrityError:
            # The learner has another open request of the run: that one, then.
            continue
    return None


@transaction.atomic
def settle_as_failed(requests: QuerySet[CertificateRequest]) -> int:
    """Settle as failed, by an administrator's word, what is open; return how many those are."""
    # In one order, so that two administrators don't wait for each other for ever.
    locked = requests.order_by("pk").select_for_update().values_list("pk", flat=True)
    return settle(CertificateRequest.objects.filter(pk__in=list(locked)), Status.FAILED)


def prune_requests() -> int:
    """Delete what was settled over CERTIFICATE_REQUEST_RETENTION_IN_DAYS ago; return how many."""
    ended = Now() - timedelta(days=settings.CERTIFICATE_REQUEST_RETENTION_IN_DAYS)
    deleted, _ = CertificateRequest.objects.filter(settled_on__lt=ended).delete()
    return deleted
