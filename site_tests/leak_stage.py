"""A site full of secrets, and the scenes that play on it; for `leaks_test.py`."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import DataError, IntegrityError, OperationalError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken
from pytest_django import Settings

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun
from site_tests.log_reading import secrets_of_everybody
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

CERTIFICATE, ENROLLMENT = "openedx-certificate-webhook", "openedx-enrollment-webhook"
COURSE_ID = "course-v1:MITx+6.00x+1T2026"
PASSWORD = "correct-horse-battery-staple"
# Which are no part of any other number.
PASSED, FAILED, SET = 0.87319246, 0.44170938, 0.73590128
LETTER = "ZQX"
UNKNOWN = "Nobody.Known@elsewhere.example"
STRANGER = "stranger@elsewhere.example"
# What an error of the database or of ours may say.
TEXT = f"DETAIL: Key (email)=(dana.hollis@learners.example), grade={PASSED} {LETTER} {UNKNOWN}"
ERRORS: list[Exception] = [
    OperationalError(TEXT),
    IntegrityError(TEXT),
    DataError(TEXT),
    ValueError(TEXT),
]


@dataclass
class Site:
    """The site, and the people who come to it."""

    openedx: SimulatedOpenEdx
    settings: Settings
    run: CourseRun
    #: Has paid; her name on Open edX is her address.
    dana: User
    #: Has paid too.
    erin: User
    #: Has not enrolled, and no account on Open edX.
    ned: User
    staff: User
    #: By whose they are.
    tokens: dict[str, str]
    client: Client
    everybody: list[str]

    def post(self, event: Any, *, to: str = CERTIFICATE, whose: str = "staff", **more: Any) -> int:
        """Send an event; return the status of the answer."""
        body = event if isinstance(event, bytes | str) else json.dumps(event)
        return self.client.post(
            reverse(to) + more.pop("query", ""),
            body,
            content_type=more.pop("content_type", "application/json"),
            headers={"authorization": f"Bearer {self.tokens[whose]}"} | more,
        ).status_code

    def tell_of(self, user: User, **more: Any) -> int:
        """Send what the plugin sends of a learner."""
        return self.post({"email": user.email, "course_id": COURSE_ID}, **more)

    def let_pass(self, *users: User, **fields: Any) -> None:
        """Let Open edX report a passing grade, or what the fields make of it."""
        grade = {"passed": True, "percent": PASSED, "letter_grade": LETTER} | fields
        for user in users or (self.dana,):
            name = str(user.edx_username)
            self.openedx.enroll(COURSE_ID, name, email=user.email, **grade)

    @property
    def secrets(self) -> list[str]:
        """All that must not be told."""
        return [
            *self.everybody,
            *self.tokens.values(),
            self.settings.OPENEDX_SERVICE_WORKER_API_TOKEN,
            self.settings.SECRET_KEY,
            PASSWORD,
            *(cookie.value for cookie in self.client.cookies.values() if cookie.value),
            *map(str, (PASSED, FAILED, SET)),
            *(f"{100 * grade:.4f}" for grade in (PASSED, FAILED, SET)),
            LETTER,
            UNKNOWN,
            STRANGER,
        ]


@contextmanager
def site_with_secrets(
    openedx: SimulatedOpenEdx, settings: Settings, client: Client
) -> Iterator[Site]:
    """Set the site up for the block, with people in it whose data are like nothing else."""
    settings.EDX_API_CLIENT_TIMEOUT = 0.3
    settings.SECRET_KEY = "the-key-that-signs-the-sessions-of-this-site"
    run = CourseRunFactory.create(courseware_id=COURSE_ID, self_paced=True)
    dana = UserFactory.create(
        username="dana_hollis",
        email="Dana.Hollis@learners.example",
        name="Dana Q. Hollis",
        openedx_user__edx_username="dana.hollis@learners.example",
    )
    erin = UserFactory.create(email="erin+mit@learners.example", name="Erin O'Neill")
    ned = UserFactory.create(email="ned@learners.example", openedx_user=None)
    for learner in (dana, erin):
        CourseRunEnrollmentFactory.create(user=learner, run=run)
    staff = UserFactory.create(
        username="plugin-of-open-edx", is_staff=True, is_superuser=True, name="Sam Staff"
    )
    staff.set_password(PASSWORD)
    staff.save()
    former = UserFactory.create(is_staff=True, is_active=False)
    owners = {"staff": staff, "learner": dana, "nobody": None, "former": former, "expired": staff}
    tokens = {
        whose: AccessToken.objects.create(
            user=owner,
            token=f"the-bearer-token-of-{whose}-Vq8Zr2",
            expires=timezone.now() + timedelta(hours=-1 if whose == "expired" else 1),
            scope="read write",
        ).token
        for whose, owner in owners.items()
    } | {"unknown": "a-token-that-nobody-made-Vq8Zr2", "two": "two-words-Vq8Zr2 of-a-token-Vq8Zr2"}
    client.raise_request_exception = False
    # The statements are handed to the logger of django.db.backends.
    connection.force_debug_cursor = True
    everybody = list(secrets_of_everybody())
    yield Site(openedx, settings, run, dana, erin, ned, staff, tokens, client, everybody)
    connection.force_debug_cursor = False


@contextmanager
def failing(error: Exception, at: str = "") -> Iterator[None]:
    """Have each statement fail that has these words."""

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if at in sql:
            raise error
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        yield


Scene = Callable[[Site], object]
SCENES: dict[str, Scene] = {}


def scene(name: str) -> Callable[[Scene], Scene]:
    """File a scene under a name."""

    def file(play: Scene) -> Scene:
        SCENES[name] = play
        return play

    return file
