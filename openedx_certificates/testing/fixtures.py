"""The fixtures of the app's tests. A host brings `user`, `staff_user`, `admin_user` and their clients."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection

from openedx_certificates.testing.clients import TOKEN
from openedx_certificates.testing.leaks import nothing_leaks  # noqa: F401 - for pytest
from openedx_certificates.testing.scenes import (  # noqa: F401 - for pytest
    certificate,
    clock,
    enrolled,
    run,
)
from openedx_certificates.testing.webhooks import (  # noqa: F401 - for pytest
    dana,
    knock,
    make_token,
    staff_token,
    tell,
)
from tools.simulator import SimulatedOpenEdx


@pytest.fixture(autouse=True)
def nobody_has_failed_yet() -> None:
    """Forget the wrong tokens and passwords that the tests before have sent."""
    cache.clear()


@pytest.fixture(autouse=True)
def real_http(request: pytest.FixtureRequest) -> None:
    """Let the servers of our tests be asked, and no others, if the host mocks HTTP by `responses`."""
    if "mocked_responses" in request.fixturenames:
        # It logs each address with its question.
        logging.getLogger("responses").setLevel(logging.WARNING)
        ours = re.compile(r"https?://(127\.0\.0\.1|localhost|[^/:]+\.test)\b")
        request.getfixturevalue("mocked_responses").add_passthru(ours)


@pytest.fixture(autouse=True)
def account_is_looked_up(request: pytest.FixtureRequest) -> None:
    """Let the host's `user` have an account: MITx Online's remembers that it was made without one."""
    if "user" in request.fixturenames:
        vars(request.getfixturevalue("user")).pop("openedx_user", None)


@pytest.fixture
def openedx(settings: Any) -> Iterator[SimulatedOpenEdx]:
    """An Open edX over real HTTP, empty, which the settings point to; failed pages come at once."""
    settings.OPENEDX_SERVICE_WORKER_API_TOKEN = TOKEN
    with SimulatedOpenEdx(token=TOKEN) as simulated:
        settings.OPENEDX_API_BASE_URL = simulated.url
        settings.OPENEDX_CERTIFICATES_PAGE_RETRY_DELAY = 0.0
        yield simulated


@pytest.fixture
def broken_database() -> Iterator[None]:
    """Every statement fails from here on, the way it does when the server goes away."""

    def fail(*_arguments: Any) -> Any:
        raise OperationalError("the connection was lost, value=secret")

    with connection.execute_wrapper(fail):
        yield
