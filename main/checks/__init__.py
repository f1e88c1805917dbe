"""System checks, numbered: what is set, and cannot work or is not safe."""

from main.checks.bounds import check_bounds
from main.checks.broker import check_broker
from main.checks.database import check_database
from main.checks.openedx import check_openedx
from main.checks.requests import check_requests
from main.checks.scopes import check_scopes
from main.checks.site import check_site
from main.checks.starting import refuse_what_can_not_work

ALL = (check_bounds, check_broker, check_openedx, check_requests, check_scopes, check_site)

__all__ = ["ALL", "check_database", "refuse_what_can_not_work"]
