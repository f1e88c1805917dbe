"""Fixtures for every test, beside those of the app's plugin: the callers, and a browser."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from tools.browser import Browser, Page
from tools.browser.finding import is_unwanted
from users.factories import UserFactory
from users.models import User

Seen = TypeVar("Seen")


# What starts a process, a browser or a server of its own, fills tables or walks through days;
# `make quick` leaves it out.
SLOW_FIXTURES = {"browser", "look_at", "broker", "live_server", "production", "programs", "role"}
SLOW_PATHS = (
    *("site_tests/", "tools/", "main/metric_files_test.py", "main/settings_test.py"),
    *("openedx_certificates/admin/search_plans_test.py", "openedx_certificates/clock_test.py"),
    "openedx_certificates/attempts/batches_test.py",
    "openedx_certificates/attempts/given_up_test.py",
    "openedx_certificates/attempts/not_passed_test.py",
    "openedx_certificates/webhooks/plans_test.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `slow` what an engineer does not wait for after each change."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.nodeid.startswith(SLOW_PATHS) or fixtures & SLOW_FIXTURES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def user(db: None) -> User:
    """A learner."""
    return UserFactory.create()


@pytest.fixture
def staff_user(db: None) -> User:
    """A member of staff."""
    return UserFactory.create(is_staff=True)


@pytest.fixture
def admin_user(db: None) -> User:
    """An administrator: staff, with every permission."""
    return UserFactory.create(is_staff=True, is_superuser=True)


@pytest.fixture
def user_drf_client(user: User) -> APIClient:
    """A client logged in as the learner."""
    client = APIClient()
    client.force_authenticate(user=user)
    return client


@pytest.fixture
def admin_drf_client(admin_user: User) -> APIClient:
    """A client logged in as the administrator."""
    client = APIClient()
    client.force_authenticate(user=admin_user)
    return client


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, started once; without one the test fails, unless NO_BROWSER is set."""
    if is_unwanted():
        pytest.skip("NO_BROWSER is set")
    with Browser() as browser:
        yield browser


@pytest.fixture
def look_at(browser: Browser, live_server: LiveServer) -> Callable[..., Any]:
    """Open a path of the site in a browser; see `Browser.look_at` for what else it takes.

    The rows must be there before, and what the page says is asked of it in the steps:

        heading = look_at("/admin/", lambda page: page.title(), width=375, session_cookie=cookie)
    """

    def look(path: str, steps: Callable[[Page], Seen], **window: Any) -> Seen:
        return browser.look_at(f"{live_server.url}{path}", steps, **window)

    return look
