"""What keeps a program from starting."""

from typing import Final

import psycopg
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from main.checks.database import check_database, connected_for_a_moment
from openedx_certificates.credentials.checks import find_missing_keys

_SIGNED: Final = "SELECT DISTINCT key_id FROM openedx_credentials_credential"


def refuse_invalid_settings() -> None:
    """Raise ImproperlyConfigured, naming all of it, if a check finds an error.

    manage.py asks the checks before each command; a program that is started without it must too. The
    database is looked at if it answers within a moment.
    """
    found = [
        *run_checks(),
        *check_database(None, databases=[DEFAULT_DB_ALIAS]),
        *find_missing_keys(_list_keys_that_signed()),
    ]
    if serious := [check for check in found if check.is_serious()]:
        raise ImproperlyConfigured("\n".join(map(str, serious)))


def _list_keys_that_signed() -> list[str]:
    try:
        with connected_for_a_moment(DEFAULT_DB_ALIAS) as cursor:
            return [key_id for (key_id,) in cursor.execute(_SIGNED).fetchall()]
    except psycopg.Error:
        # Away, silent, or before the first migration.
        return []
