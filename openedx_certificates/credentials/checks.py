"""System checks of the credentials: whether what is signed can be verified, now and later.

They are tagged `openedx_credentials`, and say nothing while there is no key.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.db import Error as DatabaseFailure

from openedx_certificates.credentials.keys import BadKey, NotConfigured, load_keys
from openedx_certificates.settings import PREFIX, app_settings

TAG: Final = "openedx_credentials"


@checks.register(TAG)
def check_keys(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[Any]:  # noqa: ARG001 - as Django calls it
    """Report what keeps the site from signing, or a verifier from believing it."""
    if not app_settings.CREDENTIAL_KEYS:
        return []
    site = urlsplit(app_settings.CREDENTIAL_SITE)
    if site.scheme != "https" or not site.netloc or site.path or site.query or site.fragment:
        return [
            checks.Error(
                f"{PREFIX}CREDENTIAL_SITE is not the https address of a site.",
                hint="Each credential names it for ever: set it to something like "
                "https://certificates.example.org",
                id="openedx_credentials.E001",
            )
        ]
    try:
        keys = load_keys()
    except BadKey as error:
        return [
            checks.Error(
                f"{PREFIX}CREDENTIAL_KEYS: {error}",
                hint="manage.py credential_keys --new makes one.",
                id="openedx_credentials.E002",
            )
        ]
    if len({key.id for key in keys}) < len(keys):
        return [
            checks.Error(f"{PREFIX}CREDENTIAL_KEYS has a key twice.", id="openedx_credentials.E004")
        ]
    if len(keys) == 1:
        return [
            checks.Warning(
                "There is one key alone: when it has to be replaced, nothing shows that the next is ours.",
                hint="Add a second one, unused, at the end of the list.",
                id="openedx_credentials.W001",
            )
        ]
    return []


@checks.register(TAG, checks.Tags.database)
def check_signed(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - as Django calls it
    databases: Sequence[str] | None = None,
    **_kwargs: Any,
) -> list[Any]:
    """Report a key that once signed and is not among the site's: what it signed verifies no more."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        signed = apps.get_model("openedx_credentials.Credential").list_key_ids()
    except DatabaseFailure:
        # It is away, or before the first migration.
        return []
    return find_missing_keys(signed)


def find_missing_keys(signed: Iterable[str]) -> list[Any]:
    """Return an error for each of the keys that is not among the site's.

    Args:
        signed: the public keys that have signed something.
    """
    try:
        known = {key.id for key in load_keys()} if app_settings.CREDENTIAL_KEYS else set()
    except (BadKey, NotConfigured):
        # The other check tells.
        return []
    return [
        checks.Error(
            f"The key {key_id} has signed credentials, and is missing.",
            hint=f"Put it back, at the end of {PREFIX}CREDENTIAL_KEYS. If it was stolen: "
            "manage.py credential_keys --forget with its name.",
            id="openedx_credentials.E003",
        )
        for key_id in signed
        if key_id not in known
    ]
