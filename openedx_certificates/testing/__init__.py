"""What the app's tests share, as a pytest plugin: in this repository, and in a host's.

python -m pytest -p openedx_certificates.testing openedx_certificates
"""

from pathlib import Path
from typing import Final

import pytest
from django.apps import apps

CREDENTIALS: Final = "openedx_certificates.credentials"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a pytest.ini say that the host is the one beside the app."""
    parser.addini("beside_its_site", "the app's tests run in their own repository", "bool", False)


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures, now that Django is set up: they import models."""
    config.addinivalue_line(
        "markers", "site(reason): needs the host or the site of the app's own repository"
    )
    config.pluginmanager.import_plugin("openedx_certificates.testing.fixtures")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the tests of an app of ours that the host has not installed: its models can't be imported."""
    is_of_credentials = "credentials" in collection_path.parts
    return (is_of_credentials and not apps.is_installed(CREDENTIALS)) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, in another host, what only the app's own repository has."""
    if config.getini("beside_its_site"):
        return
    for item in items:
        if mark := item.get_closest_marker("site"):
            item.add_marker(pytest.mark.skip(reason=mark.args[0]))
