"""What keeps a program from starting."""

from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured


def refuse_what_can_not_work() -> None:
    """Raise ImproperlyConfigured, naming all of it, where a check finds an error.

    manage.py asks the checks before each command; a program that is started without it must too.
    """
    if serious := [check for check in run_checks() if check.is_serious()]:
        raise ImproperlyConfigured("\n".join(map(str, serious)))
