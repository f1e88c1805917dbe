"""Each misconfiguration is named: by its number if the checks find it, else by the variable."""

import os
import runpy
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from main import settings as settings_module
from main.checks import refuse_invalid_settings
from main.settings_test import PRODUCTION
from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.credentials.models import Credential

SETTINGS = Path(settings_module.__file__)


def read_settings(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> dict[str, Any]:
    """Return what the settings are in an environment of its own."""
    for name in set(os.environ) - {"PATH"}:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    read = runpy.run_path(str(SETTINGS))
    return {name: value for name, value in read.items() if name.isupper()}


def check(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> list[CheckMessage]:
    """Return what our checks say of an environment."""
    read = read_settings(monkeypatch, environment)
    # Django wants the tests' own database and apps to stay, and no check of ours looks at them.
    changed = {name: read[name] for name in read if name not in ("DATABASES", "INSTALLED_APPS")}
    with override_settings(**changed):
        return [found for found in run_checks() if str(found.id).startswith("main.")]


def test_production_has_nothing_to_complain_of(monkeypatch: pytest.MonkeyPatch):
    assert check(monkeypatch, PRODUCTION) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"CELERY_BROKER_URL": "", "CELERY_TASK_ALWAYS_EAGER": "False"}, "main.E004"),
        ({"CERTIFICATE_CREATION_WINDOW_IN_DAYS": "-1"}, "main.E007"),
        ({"CERTIFICATE_CREATION_WINDOW_IN_DAYS": "999999999"}, "main.E007"),
        ({"DATABASE_POOL_SIZE": "0"}, "main.E007"),
        ({"SECURE_HSTS_SECONDS": "-1"}, "main.E007"),
        ({"FAILED_LOGINS_MAX": "-1"}, "main.E007"),
        ({"TRUSTED_PROXIES": "-1"}, "main.E007"),
        ({"CELERY_BROKER_URL": "localhost:6379"}, "main.E015"),
        ({"CELERY_BROKER_URL": "redis://"}, "main.E015"),
        ({"CELERY_BROKER_URL": "redis://localhost:port/0"}, "main.E015"),
        ({"CELERY_BROKER_URL": "http://localhost:6379/0"}, "main.E015"),
        ({"CELERY_BROKER_URL": "redis://one:6379/0;two:6379/0"}, "main.E015"),
        ({"ALLOWED_HOSTS": "https://mitxonline.example.org"}, "main.E012"),
        ({"ALLOWED_HOSTS": "mitxonline.example.org:443"}, "main.E012"),
        ({"ALLOWED_HOSTS": "mitxonline.example.org, www.example.org"}, "main.E012"),
        ({"SITE_BASE_URL": "mitxonline.example.org"}, "main.E016"),
        ({"SITE_BASE_URL": "https://mitxonline.example.org/online"}, "main.E016"),
        ({"METRICS_TOKEN": "fifteen-letters"}, "main.E013"),
        ({"METRICS_TOKEN": "a token with blanks in it"}, "main.E013"),
        ({"CELERY_TASK_ALWAYS_EAGER": "True"}, "main.W002"),
        ({"ALLOWED_HOSTS": ""}, "main.W006"),
        ({"ALLOWED_HOSTS": "*"}, "main.W007"),
        ({"METRICS_DIR": "/nowhere/at/all"}, "main.W008"),
        ({"METRICS_DIR": str(SETTINGS)}, "main.W008"),
    ],
    ids=str,
)
def test_what_can_not_work_or_is_not_safe_has_a_number(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], complaint: str
):
    found = check(monkeypatch, PRODUCTION | change)

    assert [told.id for told in found] == [complaint]
    (told,) = found
    # An error keeps a program from starting, a warning does not.
    assert told.is_serious() == complaint.startswith("main.E")
    assert any(name in told.msg for name in change)
    assert not any(secret in told.msg for secret in ("user:pass", "changeme", "letters"))


@pytest.mark.parametrize(
    "change",
    [
        {"ALLOWED_HOSTS": ".example.org,localhost,10.1.2.3,[::1]"},
        {"CELERY_BROKER_URL": "rediss://:pass@one.example.org:6380/0;redis://two/1"},
        {"CELERY_BROKER_URL": "amqp://guest@localhost//"},
        {"CELERY_BROKER_URL": ""},
        {"CRON_COURSE_CERTIFICATES_HOURS": "*/2", "CRON_COURSE_CERTIFICATES_DAYS": "mon-fri"},
        {"DATABASE_URL": "postgresql://user:p%40ss@db.example.org:5432/mitxonline"},
        {"EDX_API_CLIENT_TIMEOUT": "2"},
        {"LOG_LEVEL": "debug"},
        {"METRICS_TOKEN": "a-token-that-nobody-guesses"},
        {"OPENEDX_API_BASE_URL": "http://127.0.0.1:18000"},
    ],
    ids=str,
)
def test_what_works_is_not_complained_of(monkeypatch: pytest.MonkeyPatch, change: dict[str, str]):
    assert check(monkeypatch, PRODUCTION | change) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CERTIFICATE_DELETIONS_MAX", "five"),
        ("CERTIFICATE_WEBHOOK_ASYNC", "perhaps"),
        ("CRON_COURSE_CERTIFICATES_DAYS", "someday"),
        ("CRON_COURSE_CERTIFICATES_HOURS", "25"),
        ("CRON_COURSE_CERTIFICATES_HOURS", ""),
        ("DATABASE_POOL_SIZE", "2.5"),
        ("DATABASE_URL", "mysql://user:pass@db.example.org/mitxonline"),
        ("DATABASE_URL", "postgres://user:p/a#ss@db.example.org:5432/mitxonline"),
        ("DEBUG", "nope"),
        ("EDX_API_CLIENT_TIMEOUT", "10s"),
        ("EDX_API_CLIENT_TIMEOUT", "inf"),
        ("LOG_LEVEL", "LOUD"),
        ("SECURE_HSTS_SECONDS", "1 year"),
    ],
)
def test_what_is_not_of_its_kind_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    with pytest.raises(ImproperlyConfigured) as refused:
        read_settings(monkeypatch, PRODUCTION | {name: value})

    assert name in str(refused.value)
    assert value not in str(refused.value) or not value
    assert refused.value.__cause__ is None


@pytest.mark.django_db(transaction=True)
def test_a_site_that_lacks_a_key_that_has_signed_does_not_start(settings: Any):
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = "https://certificates.example.org"
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [SigningKey.generate().secret]
    Credential.objects.create(
        certificate_uuid=uuid4(), status_index=1, key_id="z6MkAnOldOne", signed={}
    )

    with pytest.raises(ImproperlyConfigured, match="z6MkAnOldOne has signed credentials"):
        refuse_invalid_settings()
