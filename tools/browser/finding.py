"""The path of a Chromium, of those that a machine can have."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_APPLICATIONS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
START_SECONDS = 60


def find_browser() -> Path | None:
    """Return a Chromium that starts, None if there is none.

    The machine's own goes first, then the one that Playwright has fetched.
    """
    return next((path for path in _candidates() if _starts(path)), None)


def is_unwanted() -> bool:
    """Whether the developer does without a browser, by NO_BROWSER=1."""
    return os.environ.get("NO_BROWSER", "") not in ("", "0")


def _candidates() -> Iterator[Path]:
    for name in NAMES:
        if found := shutil.which(name):
            yield Path(found)
    yield from map(Path, MAC_APPLICATIONS)
    # It is the path that Playwright would put it at, there or not.
    with sync_playwright() as playwright:
        fetched = Path(playwright.chromium.executable_path)
    yield fetched


def _starts(path: Path) -> bool:
    """Whether it runs: a browser without a library it needs is none, and neither is a stub."""
    if not path.is_file():
        return False
    try:
        asked = subprocess.run(
            [path, "--version"], check=False, capture_output=True, timeout=START_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
