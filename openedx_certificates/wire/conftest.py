"""A run of the webhooks' tests: its certificates are not due yet, and an event does not wait."""

from openedx_certificates.testing.webhooks import run  # noqa: F401 - for pytest
