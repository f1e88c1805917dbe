"""Makers of clients for tests, which ask whatever Open edX the test has set up."""

import time
from collections.abc import Callable
from typing import Any, Final

from openedx_certificates.wire.client import OpenEdxClient, OpenEdxClientSettings

#: Of the simulated Open edX, whatever the host's settings say.
TOKEN: Final = "service-worker-token"


def make_client(
    base_url: str, *, sleep: Callable[[float], object] = time.sleep, **changes: Any
) -> OpenEdxClient:
    """Return a client with the token of the tests; failed pages are asked for again at once."""
    settings: dict[str, Any] = {
        "token": TOKEN,
        "timeout": 10.0,
        "page_size": 2,
        "page_retry_delay": 0.0,
    }
    return OpenEdxClient(
        OpenEdxClientSettings(base_url=base_url, **(settings | changes)), sleep=sleep
    )
