"""Fixtures of the app's tests."""

from openedx_certificates.testing.leaks import nothing_leaks  # noqa: F401 - for pytest
from openedx_certificates.testing.scenes import (  # noqa: F401 - for pytest
    certificate,
    clock,
    enrolled,
    run,
)
