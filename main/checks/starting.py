"""What keeps a program from starting."""

from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from main.checks.database import check_database
from openedx_certificates.credentials.checks import check_signed


def refuse_invalid_settings() -> None:
    """Raise ImproperlyConfigured, naming all of it, if a check finds an error.

    manage.py asks the checks before each command; a program that is started without it must too. The
    database is looked at if it answers within a moment.
    """
    databases = [DEFAULT_DB_ALIAS]
    found = [
        *run_checks(),
        *check_database(None, databases=databases),
        *check_signed(None, databases=databases),
    ]
    if serious := [check for check in found if check.is_serious()]:
        raise ImproperlyConfigured("\n".join(map(str, serious)))
