"""What goes wrong, said to the developer it happens to."""

from contextlib import suppress
from pathlib import Path

LOG_TAIL_LINES = 20


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL can't be had; the text says why and what to do."""


def failure(folder: Path, reason: str) -> EmbeddedPostgresError:
    """Return the error for the reason, with the end of the log and the way out."""
    with suppress(OSError):
        log = (folder / "server.log").read_text(errors="replace")
        tail = "\n".join(log.splitlines()[-LOG_TAIL_LINES:])
        reason = f"{reason}\nThe end of {folder / 'server.log'}:\n{tail}"
    return EmbeddedPostgresError(
        f"The PostgreSQL for development in {folder} can't be used. {reason}\n"
        "Set DATABASE_URL to use another one; or, if its data may go, remove the folder."
    )
