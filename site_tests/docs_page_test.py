"""The page that shows the webhooks to the staff, in a real browser."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from courses.models import CourseRunEnrollment
from openedx_certificates.testing.factories import CourseRunFactory, UserFactory
from openedx_certificates.webhooks.schema import COURSE_ID, LEARNER
from tools.browser import Page
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = "/api/schema/webhooks/docs/"


@pytest.fixture
def session_cookie(staff_user: User, client: Client) -> str:
    """A member of staff is logged in."""
    client.force_login(staff_user)
    return client.cookies["sessionid"].value


def test_both_webhooks_are_shown_with_nothing_asked_of_another_site(
    look_at: Callable[..., Any], session_cookie: str
):
    def read(page: Page) -> tuple[str, list[str]]:
        page.wait_for_selector(".opblock")
        return page.title(), page.locator(".opblock-summary-path").all_text_contents()

    title, paths = look_at(DOCS, read, session_cookie=session_cookie)

    assert title == "MITx Online webhooks for Open edX"
    assert [path.replace("\u200b", "") for path in paths] == [
        "/api/openedx_webhook/certificate/",
        "/api/openedx_webhook/enrollment/",
    ]


def test_an_example_is_sent_with_a_token_and_the_reply_is_shown(
    look_at: Callable[..., Any], session_cookie: str, staff_token: str
):
    UserFactory.create(email=LEARNER)
    CourseRunFactory.create(courseware_id=COURSE_ID)

    def send(page: Page) -> tuple[list[str], str, str]:
        page.get_by_role("button", name="Authorize").click()
        page.get_by_label("auth-bearer-value").fill(staff_token)
        page.get_by_role("button", name="Apply credentials").click()
        page.get_by_role("button", name="Close").click()
        page.locator(".opblock-summary-control", has_text="enrollment").click()
        page.get_by_role("button", name="Try it out").click()
        request = page.locator(".opblock-section-request-body")
        examples = request.locator(".examples-select option").all_text_contents()
        event = request.locator("textarea").input_value()
        page.get_by_role("button", name="Execute").click()
        return examples, event, page.locator(".live-responses-table .response").inner_text()

    examples, event, reply = look_at(DOCS, send, session_cookie=session_cookie)

    assert examples == [
        "A learner was enrolled",
        "Someone became staff of the course",
        "Neither mode nor role",
    ]
    assert json.loads(event) == {"email": LEARNER, "course_id": COURSE_ID, "mode": "verified"}
    assert reply.startswith("201")
    assert "Enrollment created." in reply
    assert CourseRunEnrollment.objects.get().enrollment_mode == "verified"
