"""Fixtures for programs that run as in production."""

from site_tests.fixtures import (  # noqa: F401 - for pytest
    broker,
    broker_url,
    dana,
    environment,
    learners,
    log,
    production,
    programs,
    role,
    run,
    site,
)
