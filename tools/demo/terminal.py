"""Plain text for a person, in colour on a terminal only."""

import os
import sys

WIDTH = 100
# Bold, green and red.
_CODES = {"heading": "1", "good": "32", "bad": "31"}


def say(text: str = "", style: str | None = None) -> None:
    """Write a line at once, so that the lines of child processes come in their order."""
    sys.stdout.write(_paint(text, style) + "\n")
    sys.stdout.flush()


def heading(text: str) -> None:
    """Begin a section."""
    say()
    say(text, "heading")
    say("-" * len(text), "heading")


def fact(name: str, value: str) -> None:
    """Write one line of a list of facts."""
    say(f"{name:<20} {value}")


def can_show_a_bar() -> bool:
    """Whether a person looks on, at a terminal that says how wide it is."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    return os.get_terminal_size(sys.stderr.fileno()).columns > 0


def prepare() -> None:
    """Let no name fail to be printed on a terminal that lacks its letters."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _paint(text: str, style: str | None) -> str:
    if style is None or not sys.stdout.isatty():
        return text
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{_CODES[style]}m{text}\033[0m"
