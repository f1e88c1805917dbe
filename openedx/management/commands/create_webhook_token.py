"""Make the token with which Open edX's plugin calls the webhooks."""

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    set_token_value,
)
from oauth2_provider.scopes import get_scopes_backend

from users.models import User

DEFAULT_USERNAME = "openedx-webhook"
TOKEN_BYTES = 32
# Given where nothing is required yet, so that it can be later.
WEBHOOKS_SCOPE = "webhooks"


class Command(BaseCommand):
    """Makes what is missing of a staff service user, an application and a token."""

    help = (
        "Makes a token for the webhooks: a staff service user without a password, an OAuth2 "
        "application and an access token. The token is printed once, alone on standard output; "
        "it can be withdrawn in the admin under access tokens."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--username",
            default=DEFAULT_USERNAME,
            help="The service user; made where it is missing. Default: %(default)s.",
        )
        parser.add_argument(
            "--email",
            help="Its e-mail address where it is made. Default: <username>@service.invalid.",
        )
        parser.add_argument(
            "--days",
            type=int,
            default=365,
            help="How long the token is valid. Default: %(default)s days.",
        )
        parser.add_argument(
            "--scope",
            action="append",
            metavar="SCOPE",
            help=(
                "What the token is good for; can be repeated. "
                f"Default: {WEBHOOKS_SCOPE}, and all that OPENEDX_WEBHOOK_REQUIRED_SCOPES names."
            ),
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="Withdraw the service user's other tokens of this application at once.",
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["days"] <= 36_500:
            raise CommandError("--days goes from 1 to 36500.")
        scopes = self._check_scopes(options["scope"])
        user = self._get_or_make_user(options["username"], options["email"])
        application, _ = get_application_model().objects.get_or_create(
            name="Open edX webhooks",
            user=user,
            defaults={
                "client_type": "confidential",
                "authorization_grant_type": "client-credentials",
            },
        )
        withdrawn = 0
        if options["replace"]:
            older = get_access_token_model().objects.filter(user=user, application=application)
            withdrawn, _ = older.delete()
        expires = timezone.now() + timedelta(days=options["days"])
        token = secrets.token_urlsafe(TOKEN_BYTES)
        row = get_access_token_model()(
            user=user, application=application, expires=expires, scope=" ".join(scopes)
        )
        # Only its hash is stored.
        set_token_value(row, token)
        row.save()
        self.stderr.write(
            f"Token of {user.username}, valid until {expires:%Y-%m-%d}; "
            f"{withdrawn} older one(s) withdrawn. It is shown this once:"
        )
        self.stdout.write(token)

    def _check_scopes(self, asked_for: list[str] | None) -> list[str]:
        required = settings.OPENEDX_WEBHOOK_REQUIRED_SCOPES
        scopes = list(dict.fromkeys(asked_for or [WEBHOOKS_SCOPE, *required]))
        known = get_scopes_backend().get_all_scopes()
        if unknown := [scope for scope in scopes if scope not in known]:
            raise CommandError(
                f"Unknown: --scope {' '.join(unknown)}. There are: {' '.join(known)}."
            )
        if missing := [scope for scope in required if scope not in scopes]:
            raise CommandError(
                f"The webhooks would refuse it: --scope {' '.join(missing)} is required."
            )
        return scopes

    def _get_or_make_user(self, username: str, email: str | None) -> User:
        user = User.objects.filter(username=username).first()
        if user is None:
            try:
                return User.objects.create_user(
                    username,
                    email or f"{username}@service.invalid",
                    name="Open edX webhooks",
                    is_staff=True,
                )
            except IntegrityError as error:
                raise CommandError("Another user has this e-mail address.") from error
        if not (user.is_staff and user.is_active):
            raise CommandError(
                f"{username} exists and is not an active member of staff: "
                "name another with --username."
            )
        return user
