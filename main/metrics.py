"""What the site tells Prometheus, at `/metrics`."""

import logging
import secrets
from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from main.metric_files import SharedCounts
from main.shared_question import SharedQuestion
from openedx_certificates.instruments import INSTRUMENTS, show_from_zero
from openedx_certificates.metrics import Figures, describe
from openedx_certificates.settings import app_settings
from openedx_certificates.waiting.patience import patience_of
from openedx_certificates.webhooks.counting import OUTCOMES
from openedx_certificates.webhooks.failures import TOKEN, count_failure

log = logging.getLogger(__name__)

# Prometheus gives a scrape up after ten, by default.
PATIENCE_SECONDS: Final = 4.0

# When a process began to count is no news to anybody, and doubles the page.
disable_created_metrics()
show_from_zero(OUTCOMES)


def _read_figures() -> Figures:
    # What hangs is over before the next scrape.
    with patience_of(PATIENCE_SECONDS, bounds_statements=True):
        return Figures.read()


class _FiguresCollector(Collector):
    """Reads the figures of the database, as long as that does not take too long."""

    def __init__(self) -> None:
        self._question = SharedQuestion(_read_figures)

    def collect(self) -> Iterable[Metric]:
        try:
            figures = self._question.begin().result(PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001 - what the process itself has counted is told all the same
            log.error("figures were not read", extra={"error": type(error).__name__})  # noqa: TRY400 - its text can hold the database's address
            return describe(None)
        return describe(figures)


_figures: Final = _FiguresCollector()


@never_cache
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer what all processes have counted, and what the database says, as Prometheus reads it.

    Also if the database does not answer, or METRICS_DIR is of no use. The caller needs
    METRICS_TOKEN; without one set there is no such page, but in development it is open to all.
    """
    if not settings.METRICS_TOKEN:
        if not settings.DEBUG:
            return HttpResponseNotFound("METRICS_TOKEN is not set.\n", content_type="text/plain")
    elif not _shows_token(request):
        if "Authorization" in request.headers and (
            wait := count_failure(request, TOKEN, app_settings.FAILED_TOKENS_MAX)
        ):
            return HttpResponse(
                "Too many wrong tokens.\n",
                status=429,
                content_type="text/plain",
                headers={"Retry-After": str(wait)},
            )
        return HttpResponse(
            "A bearer token is needed.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    return HttpResponse(_read(), content_type=CONTENT_TYPE_LATEST)


def _shows_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_right = secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    return is_right and scheme.lower() == "bearer"


def _read() -> bytes:
    registry = CollectorRegistry()
    if settings.METRICS_DIR:
        registry.register(SharedCounts(settings.METRICS_DIR))
    else:
        registry.register(INSTRUMENTS)
    registry.register(_figures)
    return generate_latest(registry)
