"""Django's DATABASES, from the environment: what every connection has that the URL does not forbid."""

from typing import Any, Final

from main.database.session import startup_options
from main.environment import Environment

# libpq's own words. What the URL says wins.
_DEFAULTS: Final[dict[str, Any]] = {
    # Seconds for one server of those in the URL.
    "connect_timeout": 3,
    # A standby, or a primary that is being replaced, would refuse each event.
    "target_session_attrs": "read-write",
    # A server that has lost its power, or is behind a firewall that drops all, says nothing for ever:
    # the connection is given up after eleven seconds of silence, or ten (in milliseconds) in which
    # what was sent is not acknowledged.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def configure(
    env: Environment, url: str, *, pool_size: int, lock_timeout: float, behind_pgbouncer: bool
) -> dict[str, dict[str, Any]]:
    """Return DATABASES for the server at the URL.

    Args:
        env: reads the URL.
        url: the server's, or several servers', with libpq's options as its query.
        pool_size: connections of one process, at most.
        lock_timeout: seconds a statement waits for a lock.
        behind_pgbouncer: the URL is PgBouncer's, which may lend each transaction another session:
            what is relied on (`main.database.session`) is then set at the role.

    Raises ImproperlyConfigured for a URL that is none.
    """
    database: dict[str, Any] = env.db_url_config(url)
    own: dict[str, Any] = database.get("OPTIONS", {})
    # The URL's own come last, and win.
    if behind_pgbouncer:
        # PgBouncer refuses `options`, and answers for a server as it was when it asked: after a
        # failover it would be refused for ever, or taken for one that it is not.
        options = {**_DEFAULTS, "target_session_attrs": "any", **own}
    else:
        session = " ".join([startup_options(lock_timeout), own.get("options", "")]).strip()
        options = {**_DEFAULTS, **own, "options": session}
    options["pool"] = {"max_size": pool_size}
    return {
        "default": {
            **database,
            "ENGINE": "main.database",
            "OPTIONS": options,
            # Such a cursor outlives its transaction, and the next statement may go elsewhere.
            "DISABLE_SERVER_SIDE_CURSORS": behind_pgbouncer,
        }
    }
