"""Fixtures for processes of their own: the environment of production, over the tests' database."""

import os

import pytest
from django.db import connection

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun
from openedx.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User


@pytest.fixture
def production(transactional_db: None, openedx: SimulatedOpenEdx) -> dict[str, str]:
    """The whole environment of a process that runs as in production, with DEBUG off."""
    database = connection.settings_dict
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "a-key-of-fifty-characters-and-more-0123456789-abcdefgh",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": (
            f"postgres://{database['USER']}:{database['PASSWORD']}"
            f"@{database['HOST']}:{database['PORT']}/{database['NAME']}"
        ),
        "OPENEDX_API_BASE_URL": openedx.url,
        "OPENEDX_SERVICE_WORKER_API_TOKEN": openedx.token,
        "EDX_API_CLIENT_TIMEOUT": "2",
    }


@pytest.fixture
def run(transactional_db: None) -> CourseRun:
    """A self-paced run: its certificates are due at once."""
    return CourseRunFactory.create(self_paced=True)


@pytest.fixture
def dana(run: CourseRun, openedx: SimulatedOpenEdx) -> User:
    """A learner who has passed and paid."""
    dana = UserFactory.create()
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    openedx.enroll(run.courseware_id, str(dana.edx_username), passed=True, percent=0.9)
    return dana
