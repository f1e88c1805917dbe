"""System checks of the site, numbered: what is set, and cannot work or is not safe."""

from main.checks.bounds import check_bounds
from main.checks.broker import check_broker
from main.checks.database import check_database
from main.checks.site import check_site
from main.checks.starting import refuse_invalid_settings

ALL = (check_bounds, check_broker, check_site)

__all__ = ["ALL", "check_database", "refuse_invalid_settings"]
