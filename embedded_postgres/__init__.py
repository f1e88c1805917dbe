"""A real PostgreSQL for development, the demo and the tests, kept in a folder of the checkout."""

from embedded_postgres.exceptions import EmbeddedPostgresError
from embedded_postgres.keeper import ensure_running, release
from embedded_postgres.programs import IS_INSTALLED
from embedded_postgres.server import find_server

__all__ = ["IS_INSTALLED", "EmbeddedPostgresError", "ensure_running", "find_server", "release"]
