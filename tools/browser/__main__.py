"""`python -m tools.browser`: make sure that there is a Chromium for the tests; status 1 if there is none."""

import sys

from tools.browser.exceptions import BrowserError
from tools.browser.fetching import ensure_browser
from tools.browser.finding import is_unwanted


def main() -> int:
    """Say which Chromium the tests use, or why there is none."""
    if is_unwanted():
        _say("NO_BROWSER is set: the tests that look at pages are left out.")
        return 0
    try:
        _say(f"The tests look at pages with {ensure_browser(_say)}.")
    except BrowserError as error:
        _say(str(error))
        return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
