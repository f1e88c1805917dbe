"""Fixtures of the app's tests."""

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
