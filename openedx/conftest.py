"""Fixtures of the webhooks' tests."""

from openedx_certificates.testing.leaks import nothing_leaks  # noqa: F401 - for pytest
from openedx_certificates.testing.webhooks import (  # noqa: F401 - for pytest
    dana,
    knock,
    make_token,
    run,
    staff_token,
    tell,
)
