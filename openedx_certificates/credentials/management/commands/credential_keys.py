"""Make a key that signs credentials, and tell how the site's keys stand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count

from openedx_certificates.credentials.keys import BadKey, NotConfigured, SigningKey, load_keys
from openedx_certificates.credentials.models import Credential


class Command(BaseCommand):
    """Makes and lists the keys."""

    help = (
        "Lists the keys of the site and how many credentials each has signed. With --new, makes one and "
        "prints its secret, alone on standard output. To rotate: put the new secret at the end of "
        "CREDENTIAL_KEYS and restart, so that verifiers learn it; days later put it first and restart. "
        "The old one stays in the list for as long as its credentials are to be verified."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        does = parser.add_mutually_exclusive_group()
        does.add_argument("--new", action="store_true", help="Make a key and print its secret.")
        does.add_argument(
            "--forget",
            metavar="KEY",
            help="Of a key that was stolen: have its credentials signed by another when they are asked "
            "for next. Then take it out of CREDENTIAL_KEYS: what it has signed is refused from then on.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new"]:
            key = SigningKey.generate()
            self.stderr.write(f"The key {key.id}; its secret is shown this once:")
            self.stdout.write(key.secret)
            return
        if options["forget"]:
            count, _ = Credential.objects.filter(key_id=options["forget"]).delete()
            self.stdout.write(f"{count} credentials are signed again when they are asked for.")
            return
        try:
            keys = load_keys()
        except NotConfigured:
            raise CommandError(
                "This site has no key: CREDENTIAL_KEYS or SITE_BASE_URL is empty."
            ) from None
        except BadKey as error:
            raise CommandError(str(error)) from None
        counts = Credential.objects.values_list("key_id").annotate(count=Count("pk"))
        signed = dict(counts.order_by())
        for number, key in enumerate(keys):
            does = "signs" if number == 0 else "verifies"
            self.stdout.write(f"{key.id}  {does}  {signed.pop(key.id, 0)} credentials")
        for key_id, count in signed.items():
            self.stdout.write(f"{key_id}  MISSING  {count} credentials verify no more")
