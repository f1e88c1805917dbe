"""Fixtures of the app's tests."""

from openedx_certificates.testing.scenes import (  # noqa: F401 - for pytest
    certificate,
    clock,
    enrolled,
    run,
)
