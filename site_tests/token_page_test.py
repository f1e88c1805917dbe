"""The way of a new administrator in a browser: log in, add a token, read it once, send an event."""

from collections.abc import Callable
from typing import Any

import pytest

from courses.models import CourseRun
from openedx_certificates.testing.factories import UserFactory
from openedx_certificates.testing.webhooks import Knock, answered, event_of, passes
from tools.browser import Page
from tools.browser.accessibility import find_violations
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "/admin/login/?next=/admin/oauth2_provider/accesstoken/"
PHONE = {"width": 375, "height": 800}


def test_an_administrator_adds_a_token_reads_it_once_and_has_a_certificate_issued(
    look_at: Callable[..., Any],
    knock: Knock,
    run: CourseRun,
    dana: User,
    openedx: SimulatedOpenEdx,
):
    User.objects.create_superuser("admin", "admin@example.com", "correct horse")
    UserFactory.create(username="plugin", is_staff=True)
    passes(openedx, run, dana)
    faults: list[Any] = []

    def look_for_faults(page: Page) -> None:
        # Select2, Django's own widget, has a part that no page can give a name; the field has one.
        faults.extend(
            fault for fault in find_violations(page) if "select2-selection__rendered" not in fault
        )
        page.set_viewport_size(PHONE)
        root = "document.documentElement"
        if page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
            faults.append(f"wider than a phone: {page.url}")

    def add(page: Page) -> tuple[str, str, str]:
        page.fill("#id_username", "admin")
        page.fill("#id_password", "correct horse")
        page.click("input[type=submit]")
        page.get_by_role("link", name="Add access token").click()
        page.wait_for_selector(".select2-selection")
        look_for_faults(page)
        page.locator(".field-user .select2-selection").click()
        page.fill(".select2-search__field", "plug")
        page.click(".select2-results__option:text-is('plugin')")
        page.click("input[name=_save]")
        token = page.locator(".token-made code").inner_text()
        address = page.url
        look_for_faults(page)
        page.reload()
        return token, address, page.content()

    token, address, loaded_again = look_at(LOGIN, add)

    assert not faults, "\n".join(faults)
    assert token not in address
    assert token not in loaded_again
    assert "be shown again" in loaded_again
    reply = knock("openedx-certificate-webhook", event_of(dana, run), token=token)
    assert answered(reply) == {"certificate_status": "created"}
