"""Fixtures of the webhooks' tests."""

from openedx_certificates.testing.webhooks import (  # noqa: F401 - for pytest
    dana,
    knock,
    make_token,
    run,
    staff_token,
    tell,
)
