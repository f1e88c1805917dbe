"""Django's DATABASES, from the environment: what every connection has that the URL does not forbid."""

from typing import Any, Final

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
    env: Environment, url: str, *, pool_size: int, lock_timeout: float
) -> dict[str, dict[str, Any]]:
    """Return DATABASES for the server at the URL.

    Args:
        env: reads the URL.
        url: the server's, or several servers', with libpq's options as its query.
        pool_size: connections of one process, at most.
        lock_timeout: seconds a statement waits for a lock.

    Raises ImproperlyConfigured for a URL that is none.
    """
    database: dict[str, Any] = env.db_url_config(url)
    options: dict[str, Any] = {**_DEFAULTS, **database.get("OPTIONS", {})}
    # The caller's own come last, and win.
    lock = f"-c lock_timeout={int(1000 * lock_timeout)}"
    options["options"] = " ".join([lock, options.get("options", "")]).strip()
    options["pool"] = {"max_size": pool_size}
    return {"default": {**database, "ENGINE": "main.database", "OPTIONS": options}}
