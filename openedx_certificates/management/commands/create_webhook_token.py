"""Make the token with which Open edX's plugin calls the webhooks."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from openedx_certificates import host
from openedx_certificates.webhooks.tokens import (
    DEFAULT_DAYS,
    default_scopes,
    list_tokens_made_for,
    make_token,
    withdraw_tokens,
)

DEFAULT_USERNAME = "openedx-webhook"
_OPTIONS = {"user": "--username", "days": "--days", "scopes": "--scope"}


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
            default=DEFAULT_DAYS,
            help="How long the token is valid. Default: %(default)s days.",
        )
        parser.add_argument(
            "--scope",
            action="append",
            metavar="SCOPE",
            help=(
                "What the token is good for; can be repeated. "
                "Default: webhooks, and all that OPENEDX_WEBHOOK_REQUIRED_SCOPES names."
            ),
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="Withdraw the service user's other tokens of this application at once.",
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        user = self._get_or_make_user(options["username"], options["email"])
        older = list(list_tokens_made_for(user)) if options["replace"] else []
        scopes = list(dict.fromkeys(options["scope"] or default_scopes()))
        try:
            row, token = make_token(user, options["days"], scopes, made_by_id=None)
        except ValidationError as error:
            raise CommandError(
                " ".join(
                    f"{_OPTIONS[name]}: {' '.join(sentences)}"
                    for name, sentences in error.message_dict.items()
                )
            ) from error
        withdrawn = withdraw_tokens(older, withdrawn_by_id=None)
        self.stderr.write(
            f"Token of {user.username}, valid until {row.expires:%Y-%m-%d}; "
            f"{withdrawn} older one(s) withdrawn. It is shown this once:"
        )
        self.stdout.write(token)

    def _get_or_make_user(self, username: str, email: str | None) -> host.User:
        user = host.users().filter(username=username).first()
        if user is not None:
            return user
        try:
            return host.users().model.objects.create_user(
                username,
                email or f"{username}@service.invalid",
                name="Open edX webhooks",
                is_staff=True,
            )
        except IntegrityError as error:
            raise CommandError("Another user has this e-mail address.") from error
