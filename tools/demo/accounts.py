"""The demo's administrator and tokens. Runs inside Django.

They are made up once and kept in a private file, so that a curl line of one demo can be pasted
while another one runs, or `make serve`.
"""

import contextlib
import hashlib
import io
import json
import os
import secrets
from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, set_token_value

from tools.demo.credentials import Credentials
from tools.demo.surroundings import OWN_FOLDER
from users.models import User

ADMIN_USERNAME = "demo-admin"
SERVICE_USERNAME = "demo-openedx"
FILE = OWN_FOLDER / "credentials.json"
TOKEN_DAYS = 365


def ensure_credentials(learner_username: str) -> Credentials:
    """Return the credentials of the last time if they still hold, else new ones in their place.

    Args:
        learner_username: of the learner with the token that the webhook refuses.
    """
    kept = Credentials(ADMIN_USERNAME)
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept = Credentials(**json.loads(FILE.read_text()))
    made = Credentials(
        admin_username=ADMIN_USERNAME,
        admin_password=_ensure_admin(kept.admin_password),
        webhook_token=_ensure_webhook_token(kept.webhook_token),
        learner_token=_ensure_learner_token(learner_username, kept.learner_token),
    )
    if made != kept:
        _write_private(json.dumps(made.as_dict()))
    return made


def _ensure_admin(password: str) -> str:
    admin = User.objects.filter(username=ADMIN_USERNAME).first()
    if admin is None:
        admin = User.objects.create_superuser(
            ADMIN_USERNAME, f"{ADMIN_USERNAME}@example.com", name="Demo administrator"
        )
    if password and admin.is_active and admin.is_superuser and admin.check_password(password):
        return password
    password = secrets.token_urlsafe(12)
    admin.is_active = admin.is_staff = admin.is_superuser = True
    admin.set_password(password)
    admin.save()
    return password


def _ensure_webhook_token(token: str) -> str:
    if _is_valid(SERVICE_USERNAME, token):
        return token
    printed = io.StringIO()
    call_command(
        "create_webhook_token",
        username=SERVICE_USERNAME,
        replace=True,
        days=TOKEN_DAYS,
        stdout=printed,
        stderr=io.StringIO(),
    )
    return printed.getvalue().strip()


def _ensure_learner_token(username: str, token: str) -> str:
    if _is_valid(username, token):
        return token
    token = secrets.token_urlsafe(32)
    row = get_access_token_model()(
        user=User.objects.get(username=username),
        expires=timezone.now() + timedelta(days=TOKEN_DAYS),
        scope="read write",
    )
    set_token_value(row, token)
    row.save()
    return token


def _is_valid(username: str, token: str) -> bool:
    # The token itself is not in the database.
    found = get_access_token_model().objects.filter(
        token_checksum=hashlib.sha256(token.encode()).hexdigest(),
        user__username=username,
        user__is_active=True,
        expires__gt=timezone.now() + timedelta(days=1),
    )
    return bool(token) and found.exists()


def _write_private(text: str) -> None:
    new = FILE.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(FILE)
