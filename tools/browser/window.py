"""A headless Chromium, in a thread of its own, that looks at one page at a time."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import (
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Response,
    sync_playwright,
)

from tools.browser.exceptions import BrowserError
from tools.browser.finding import find_browser

Seen = TypeVar("Seen")
PATIENCE_MILLISECONDS = 30_000
OPTIONS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


class PageComplains(Exception):
    """The page broke something while it was looked at; the text lists what the browser said."""


class Browser:
    """A Chromium that runs until `close`.

    Playwright's event loop goes on running in the thread that has started it, and Django's ORM
    refuses to work in such a thread; so it has one of its own, and what is done with a page is done
    there.
    """

    def __init__(self) -> None:
        """Start it. Raises BrowserError if there is none."""
        self._thread = ThreadPoolExecutor(1, "browser")
        self._playwright, self._chromium = self._thread.submit(_start).result()

    def look_at(
        self,
        url: str,
        steps: Callable[[Page], Seen],
        *,
        width: int = 1280,
        height: int = 800,
        session_cookie: str | None = None,
        has_scripts: bool = True,
    ) -> Seen:
        """Open the page in a window without a past, and return what the steps make of it.

        The steps run in the browser's thread: they can't ask the database, and what they return
        must not be a part of the page.

        Args:
            url: with scheme and host.
            steps: get the page once it is loaded.
            width: of the window, in CSS pixels.
            height: of the window, in CSS pixels.
            session_cookie: the value of Django's session cookie, for a logged-in user.
            has_scripts: False for a browser that runs none.

        Raises:
            PageComplains: an error stood in the console (what a Content-Security-Policy forbids is
                one), a part of the page was missing, or one was asked of another site.
        """

        def look() -> Seen:
            with self._chromium.new_context(
                viewport={"width": width, "height": height},
                java_script_enabled=has_scripts,
                reduced_motion="reduce",
            ) as context:
                context.set_default_timeout(PATIENCE_MILLISECONDS)
                if session_cookie is not None:
                    # Of the whole site, as Django sets it.
                    context.add_cookies(
                        [
                            {
                                "name": "sessionid",
                                "value": session_cookie,
                                "domain": str(urlsplit(url).hostname),
                                "path": "/",
                            }
                        ]
                    )
                page = context.new_page()
                complaints = _Complaints(url)
                complaints.listen(page)
                page.goto(url, wait_until="load")
                seen = steps(page)
            if complaints.found:
                raise PageComplains("\n".join(complaints.found))
            return seen

        return self._thread.submit(look).result()

    def close(self) -> None:
        """End it."""
        self._thread.submit(self._chromium.close).result()
        self._thread.submit(self._playwright.stop).result()
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Complaints:
    """What a browser says of a page that is not as it should be."""

    def __init__(self, url: str) -> None:
        self.found: list[str] = []
        self._url = url
        self._site = urlsplit(url).netloc

    def listen(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.found.append(f"script: {error}"))
        page.on("request", self._see_request)
        page.on("response", self._see_response)

    def _hear(self, message: ConsoleMessage) -> None:
        # The status of the page itself is the test's to judge, and of its parts below.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.found.append(f"console: {message.text}")

    def _see_request(self, request: Request) -> None:
        asked = urlsplit(request.url)
        if asked.scheme not in ("data", "blob") and asked.netloc != self._site:
            self.found.append(f"asked of another site: {request.url}")

    def _see_response(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.found.append(f"a part of the page: {response.status} {response.url}")


def _start() -> tuple[Playwright, Chromium]:
    path = find_browser()
    if path is None:
        raise BrowserError("There is no Chromium here. `make browser` fetches one.")
    playwright = sync_playwright().start()
    try:
        return playwright, _launch(playwright, path)
    except BaseException:
        playwright.stop()
        raise


def _launch(playwright: Playwright, path: Path) -> Chromium:
    return playwright.chromium.launch(
        executable_path=path,
        # Chromium's sandbox refuses root.
        chromium_sandbox=os.geteuid() != 0,
        args=list(OPTIONS),
    )
