"""A real PostgreSQL for development, the demo and the tests, kept in a folder of the checkout."""

from tools.postgres.exceptions import EmbeddedPostgresError
from tools.postgres.keeper import ensure_running, release
from tools.postgres.programs import IS_INSTALLED
from tools.postgres.server import find_server

__all__ = ["IS_INSTALLED", "EmbeddedPostgresError", "ensure_running", "find_server", "release"]
