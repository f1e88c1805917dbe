"""Fetches a Chromium onto a machine that has none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.browser.exceptions import BrowserError
from tools.browser.finding import find_browser

FETCH_SECONDS = 900
TAIL_LINES = 15
APT_GET = (
    *("apt-get", "--quiet", "--yes", "-o", "Acquire::Retries=3"),
    # Seconds to wait for another apt-get.
    *("-o", "DPkg::Lock::Timeout=120"),
)

Say = Callable[[str], object]


def ensure_browser(say: Say) -> Path:
    """Return a Chromium that starts; fetch one if there is none.

    As root on Debian it comes with the system's packages, else, or if that fails, from
    Playwright. Repeatable, and quick if there is one.

    Args:
        say: is told, in a line each, what takes long.

    Raises:
        BrowserError: none can be had.
    """
    if found := find_browser():
        return found
    failures = []
    for what, commands in _ways():
        say(f"No Chromium here: {what} fetches one for the tests; that takes a minute or two ...")
        failure = _run_all(commands)
        if failure is None and (found := find_browser()):
            return found
        failures.append(
            f"{what}: {failure or 'what it fetched does not start; a library of the system may be missing.'}"
        )
    raise BrowserError(
        "\n".join(["There is no Chromium here, and none could be fetched.", *failures])
    )


def _ways() -> Iterator[tuple[str, list[list[str]]]]:
    is_root = os.geteuid() == 0
    if is_root and shutil.which("apt-get"):
        # Its libraries come along, which Playwright's own way leaves out.
        install = [*APT_GET, "install", "--no-install-recommends", "chromium"]
        yield "apt-get", [[*APT_GET, "update"], install]
    playwright = [sys.executable, "-m", "playwright", "install", "chromium"]
    yield "Playwright", [[*playwright, *(["--with-deps"] if is_root else [])]]


def _run_all(commands: list[list[str]]) -> str | None:
    """Run the commands until one fails; return the end of what that one said, None if none did."""
    for command in commands:
        try:
            ran = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                text=True,
                errors="replace",
                timeout=FETCH_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if ran.returncode != 0:
            return "\n".join(ran.stdout.splitlines()[-TAIL_LINES:]) or f"status {ran.returncode}"
    return None
