"""What goes wrong, said to the developer it happens to."""

WAY_OUT = (
    "Install Chromium or Chrome, so that it is on the PATH; or set NO_BROWSER=1 to leave out the "
    "tests that need one."
)


class BrowserError(Exception):
    """No browser can be had; the text says why and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason.strip()}\n{WAY_OUT}")
