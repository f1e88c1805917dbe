"""Fixtures for the webhooks: a token, a function that sends an event with it, and a learner with a passing grade."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oauth2_provider import models as toolkit
from oauth2_provider.models import AccessToken
from oauth2_provider.oauth2_validators import OAuth2Validator

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CourseRunEnrollmentFactory,
    UserFactory,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

Knock = Callable[..., Any]
MakeToken = Callable[..., str]
Tell = Callable[[User, CourseRun], Any]

# Before its version 3.4 django-oauth-toolkit stores and shows tokens as they are.
keeps_hashes_alone = pytest.mark.skipif(
    not hasattr(toolkit, "set_token_value"), reason="This django-oauth-toolkit stores tokens."
)

# The enrollment webhook is the host's, built from the app's parts here, and MITx Online's own there.
EACH_WEBHOOK = [
    pytest.param("openedx-certificate-webhook", id="certificate"),
    pytest.param(
        "openedx-enrollment-webhook",
        id="enrollment",
        marks=pytest.mark.site("A host's enrollment webhook is its own."),
    ),
]

NOT_PASSED = {"certificate_status": "not_eligible", "reason": "grade_not_passed"}
NO_PAID_ENROLLMENT = {"certificate_status": "not_eligible", "reason": "no_paid_enrollment"}


@pytest.fixture
def dana(run: CourseRun) -> User:
    """A learner with a paid enrollment in the run."""
    dana = UserFactory.create(email="Dana@Example.com", openedx_user__edx_username="dana.x+y")
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    return dana


class BlindValidator(OAuth2Validator):
    """A host's own, which finds no token."""

    def _load_access_token(self, _token: str) -> None:
        """Find nothing."""


@pytest.fixture
def make_token() -> MakeToken:
    """Make an access token, by default one that is valid for an hour."""

    def make(user: User | None, *, valid_for: timedelta = timedelta(hours=1)) -> str:
        return AccessToken.objects.create(
            user=user,
            token=f"token-{AccessToken.objects.count()}",
            expires=timezone.now() + valid_for,
            scope="read write",
        ).token

    return make


@pytest.fixture
def staff_token(staff_user: User, make_token: MakeToken) -> str:
    """The token of a member of staff."""
    return make_token(staff_user)


@pytest.fixture
def knock(client: Client) -> Knock:
    """Post an event, as JSON or as the bytes that are given, to one of the webhooks."""

    def post(
        webhook: str,
        event: Any,
        *,
        token: str | None,
        content_type: str = "application/json",
        **headers: str,
    ) -> Any:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        # As a header of its own too: the client leaves it out if the body is empty.
        return client.generic(
            "POST",
            reverse(webhook),
            body,
            content_type=content_type,
            headers=headers,
            CONTENT_TYPE=content_type,
        )

    return post


@pytest.fixture
def tell(knock: Knock, staff_token: str) -> Tell:
    """Tell the certificate webhook that a learner has passed, as the plugin does."""

    def post(user: User, run: CourseRun) -> Any:
        return knock("openedx-certificate-webhook", event_of(user, run), token=staff_token)

    return post


@contextmanager
def database_failing_at(table: str) -> Iterator[None]:
    """Lose the connection at every statement on the table, and at no other."""

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if table in sql:
            raise OperationalError("the connection was lost, value=secret")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        yield


def passes(openedx: SimulatedOpenEdx, run: CourseRun, user: User, **fields: Any) -> None:
    """Let Open edX report a passing grade, or what the fields make of it."""
    grade: dict[str, Any] = {"passed": True, "percent": 0.91, "letter_grade": "A"} | fields
    openedx.enroll(run.courseware_id, str(user.edx_username), **grade)


def event_of(user: User, run: CourseRun) -> dict[str, str]:
    """Return what the plugin sends of the learner."""
    return {"email": user.email, "course_id": run.courseware_id}


def answered(response: Any) -> dict[str, str]:
    """Check that the event was dealt with, and return the reply."""
    return _json_of(response, 200)


def deferred(response: Any) -> None:
    """Check that the event is held for later."""
    assert _json_of(response, 202) == {"certificate_status": "deferred"}


def held() -> CertificateRequest:
    """Check that the one request is open and free for the next worker, and return it."""
    request = CertificateRequest.objects.get()
    assert request.status == CertificateRequest.Status.OPEN
    assert (request.lease, request.leased_until, request.settled_on) == (None, None, None)
    assert not CourseRunCertificate.all_objects.exists()
    return request


def is_of_the_hosts_save(sql: str) -> bool:
    """Whether the statement is one that the host's `save()` or `post_save` adds to a certificate's."""
    return 'FROM "cms_certificatepage"' in sql


def _json_of(response: Any, status: int) -> dict[str, str]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, str] = json.loads(response.content)
    return body
