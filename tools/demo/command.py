"""A command of manage.py, run as an administrator runs it, with its output shown as it comes."""

import subprocess
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tools.demo.children import Children
from tools.demo.site import MANAGE, Site
from tools.demo.surroundings import OWN_FOLDER
from tools.demo.terminal import WIDTH, can_show_a_bar, say

SWEEP = ("manage_certificates", "--create", "--progress")
PROCESS = ("process_certificate_requests", "--all", "--progress")
# Small pages, so that the bar has steps; and no line in the log for each certificate.
SETTINGS = {"EDX_API_PAGE_SIZE": "5", "LOG_LEVEL": "WARNING"}


def as_shell_command(site: Site, arguments: Sequence[str], *, without_database_url: bool) -> str:
    """Return the line that does the same while `make serve` runs.

    Args:
        site: with the Open edX that is asked.
        arguments: of manage.py.
        without_database_url: whether the caller's own DATABASE_URL must be left aside.
    """
    chosen = {
        **({"DATABASE_URL": ""} if without_database_url else {}),
        "DEBUG": site.environment["DEBUG"],
        "OPENEDX_API_BASE_URL": site.openedx_url,
        **SETTINGS,
    }
    settings = " ".join(f"{name}={value}" for name, value in chosen.items())
    lines = textwrap.wrap(settings, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    lines.append(f".venv/bin/python manage.py {' '.join(arguments)}")
    return " \\\n  ".join(lines)


def run_shown(children: Children, site: Site, arguments: Sequence[str]) -> int:
    """Run the command, show what it prints, and return its status."""
    name = arguments[0]
    log = OWN_FOLDER / f"{name}.log"
    environment: Mapping[str, str] = {**site.environment, **SETTINGS}
    # On a terminal the bar draws itself.
    errors = None if can_show_a_bar() else subprocess.STDOUT
    child = children.start(
        name, (*MANAGE, *arguments), environment, log, stdout=subprocess.PIPE, stderr=errors
    )
    for line in lines_as_on_a_terminal(child.process.stdout or ()):
        say(textwrap.fill(line, WIDTH))
    return children.finish(child)


def lines_as_on_a_terminal(output: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines as they end up: of a bar that was drawn over and over, its last state."""
    for line in output:
        states = line.decode(errors="replace").rstrip("\r\n").split("\r")
        yield states[-1].rstrip()
