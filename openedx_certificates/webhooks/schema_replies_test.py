"""What the schema says of a reply is what the webhooks answer, word for word: every example is had."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from courses.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
)
from courses.models import CourseRun
from openedx_certificates.testing.webhooks import MakeToken, database_failing_at, passes
from openedx_certificates.webhooks.schema import COURSE_ID, EVENT, LEARNER, WebhookSchemaGenerator
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db

CERTIFICATE = "openedx-certificate-webhook"
ENROLLMENT = "openedx-enrollment-webhook"


@dataclass
class Stage:
    """The learner and the run of the examples, and a hand that knocks at a webhook."""

    webhook: str
    client: Client
    openedx: SimulatedOpenEdx
    staff: User
    learner: User
    run: CourseRun
    make_token: MakeToken
    settings: Settings

    def send(
        self,
        event: object = EVENT,
        *,
        method: str = "POST",
        authorization: str | None = None,
        content_type: str = "application/json",
    ) -> Any:
        if authorization is None:
            authorization = f"Bearer {self.make_token(self.staff)}"
        return self.client.generic(
            method,
            reverse(self.webhook),
            event if isinstance(event, bytes) else json.dumps(event).encode(),
            content_type=content_type,
            headers={"authorization": authorization},
        )

    def send_with_token_of(self, user: User | None, **options: Any) -> Any:
        return self.send(authorization=f"Bearer {self.make_token(user, **options)}")

    def send_of_one_who_is_paid_for(self, **grade: Any) -> Any:
        CourseRunEnrollmentFactory.create(user=self.learner, run=self.run)
        passes(self.openedx, self.run, self.learner, **grade)
        return self.send()

    def send_of_one_who_is_not(self) -> Any:
        passes(self.openedx, self.run, self.learner)
        return self.send()

    def send_of_one_with_a_certificate(self, **fields: Any) -> Any:
        CourseRunCertificateFactory.create(user=self.learner, course_run=self.run, **fields)
        return self.send()

    def send_twice(self) -> Any:
        self.send()
        return self.send()

    def send_one_wrong_token_too_many(self) -> Any:
        self.settings.OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX = 1
        # Both in one window.
        with time_machine.travel("2026-03-02T12:00:20+00:00", tick=False):
            self.send(authorization="Bearer unknown")
            return self.send(authorization="Bearer unknown")

    def send_by_plain_http(self) -> Any:
        self.settings.OPENEDX_CERTIFICATES_REQUIRE_HTTPS = self.settings.SECURE_SSL_REDIRECT = True
        return self.send()

    def send_with_the_database_failing(self) -> Any:
        with database_failing_at("courses_courserun"):
            return self.send()


Act = Callable[[Stage], Any]

# By status and the example's name, what has this reply.
REFUSALS: dict[tuple[int, str], Act] = {
    (400, "not JSON"): lambda stage: stage.send(b"{"),
    (400, "no object"): lambda stage: stage.send([LEARNER, COURSE_ID]),
    (400, "missing"): lambda stage: stage.send({"email": LEARNER}),
    (400, "two fields"): lambda stage: stage.send({"email": 17}),
    (400, "blank"): lambda stage: stage.send({**EVENT, "email": " "}),
    (400, "control character"): lambda stage: stage.send({**EVENT, "email": f"{LEARNER}\n"}),
    (400, "too long"): lambda stage: stage.send({**EVENT, "email": "a" * 255}),
    (401, "none"): lambda stage: stage.send(authorization=""),
    (401, "unknown"): lambda stage: stage.send(authorization="Bearer unknown"),
    (401, "inactive"): lambda stage: stage.send_with_token_of(UserFactory.create(is_active=False)),
    (403, "not staff"): lambda stage: stage.send_with_token_of(stage.learner),
    (403, "plain HTTP"): lambda stage: stage.send_by_plain_http(),
    (404, "no such user"): lambda stage: stage.send({**EVENT, "email": "nobody@example.com"}),
    (404, "no such run"): lambda stage: stage.send({**EVENT, "course_id": "course-v1:No+such+run"}),
    (405, "GET"): lambda stage: stage.send(method="GET"),
    (413, "too large"): lambda stage: stage.send({**EVENT, "email": "a" * 65_536}),
    (415, "a text"): lambda stage: stage.send(content_type="text/plain"),
    (429, "throttled"): lambda stage: stage.send_one_wrong_token_too_many(),
    (503, "database"): lambda stage: stage.send_with_the_database_failing(),
}
REPLIES: dict[str, dict[tuple[int, str], Act]] = {
    CERTIFICATE: {
        (200, "created"): lambda stage: stage.send_of_one_who_is_paid_for(),
        (200, "exists"): lambda stage: stage.send_of_one_with_a_certificate(),
        (200, "revoked"): lambda stage: stage.send_of_one_with_a_certificate(is_revoked=True),
        (200, "grade not passed"): lambda stage: stage.send_of_one_who_is_paid_for(passed=False),
        (200, "no paid enrollment"): lambda stage: stage.send_of_one_who_is_not(),
        # Open edX knows no learner.
        (202, "deferred"): lambda stage: stage.send(),
        **REFUSALS,
    },
    ENROLLMENT: {
        (200, "exists"): lambda stage: stage.send_twice(),
        (201, "created"): lambda stage: stage.send(),
        **REFUSALS,
    },
}
CASES = [
    pytest.param(webhook, status, example, act, id=f"{webhook.split('-')[1]} {status} {example}")
    for webhook, replies in REPLIES.items()
    for (status, example), act in replies.items()
]


@pytest.fixture
def schema() -> dict[str, Any]:
    return WebhookSchemaGenerator().get_schema(public=True)


@pytest.fixture
def make_stage(
    client: Client,
    openedx: SimulatedOpenEdx,
    staff_user: User,
    make_token: MakeToken,
    settings: Settings,
) -> Callable[[str], Stage]:
    learner = UserFactory.create(email=LEARNER)
    run = CourseRunFactory.create(courseware_id=COURSE_ID)
    return lambda webhook: Stage(
        webhook, client, openedx, staff_user, learner, run, make_token, settings
    )


@pytest.mark.parametrize(("webhook", "status", "example", "act"), CASES)
def test_an_example_of_a_reply_is_what_is_answered(
    webhook: str,
    status: int,
    example: str,
    act: Act,
    schema: dict[str, Any],
    make_stage: Callable[[str], Stage],
):
    response = act(make_stage(webhook))

    assert response.status_code == status, response.content
    described = responses_of(schema, webhook)[str(status)]
    body = json.loads(response.content)
    expected = dict(examples_of(described))[example]
    assert without_numbers(body) == without_numbers(expected)
    validator = jsonschema.Draft4Validator({**schema, **content_of(described)["schema"]})
    validator.validate(body)
    for name, header in described.get("headers", {}).items():
        jsonschema.Draft4Validator(header["schema"]).validate(response[name])
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("webhook", REPLIES)
def test_there_is_no_other_example(webhook: str, schema: dict[str, Any]):
    examples = {
        (int(status), name)
        for status, described in responses_of(schema, webhook).items()
        for name, _value in examples_of(described)
    }

    assert examples == set(REPLIES[webhook])


def without_numbers(body: object) -> str:
    """Return it as JSON without what differs each time: a row's number, the seconds to wait."""
    return re.sub(r"\d+", "0", json.dumps(body, sort_keys=True))


def responses_of(schema: dict[str, Any], webhook: str) -> dict[str, Any]:
    return schema["paths"][reverse(webhook)]["post"]["responses"]


def content_of(described: dict[str, Any]) -> dict[str, Any]:
    (content,) = described["content"].values()
    return content


def examples_of(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for example in content_of(described)["examples"].values():
        yield example["summary"], example["value"]
