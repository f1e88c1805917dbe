"""What fails a look at a page; the pages' own tests show the rest of the browser."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from tools.browser import Browser, Page
from tools.browser.accessibility import find_violations
from tools.browser.window import PageComplains

PAGE = """<!doctype html><html lang="en"><head><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"></head><body><main><h1>A page</h1>{}</main></body></html>"""
PAGES = {
    "/good": PAGE.format("<p>In order.</p>"),
    "/script": PAGE.format("<script>document.title = 'Changed'</script>"),
    "/raises": PAGE.format("<script>notThere()</script>"),
    "/missing-part": PAGE.format('<img src="/missing.png" alt="A seal">'),
    "/elsewhere": PAGE.format('<img src="http://127.0.0.1:1/seal.png" alt="A seal">'),
    "/empty": "",
}
HEADERS = {"/forbidden": "script-src 'none'"}
PAGES["/forbidden"] = PAGES["/script"]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if policy := HEADERS.get(self.path):
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write((PAGE.format("Not here.") if body is None else body).encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the site."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def title_of(page: Page) -> str:
    return page.title()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/raises", "script: notThere is not defined"),
        ("/missing-part", "a part of the page: 404"),
        ("/elsewhere", "asked of another site: http://127.0.0.1:1/seal.png"),
        ("/forbidden", "Content Security Policy"),
    ],
)
def test_what_the_browser_complains_of_fails_the_look(browser: Browser, site: str, path, complaint):
    with pytest.raises(PageComplains, match=complaint):
        browser.look_at(f"{site}{path}", title_of)


def test_what_the_steps_raise_is_raised_and_the_browser_goes_on(browser: Browser, site: str):
    def fail(page: Page) -> None:
        raise LookupError(page.title())

    with pytest.raises(LookupError, match="A page"):
        browser.look_at(f"{site}/good", fail)

    assert browser.look_at(f"{site}/good", title_of) == "A page"


def test_axe_finds_nothing_on_a_page_in_order(browser: Browser, site: str):
    assert browser.look_at(f"{site}/good", find_violations) == []


def test_axe_names_the_rule_and_the_element(browser: Browser, site: str):
    def plant(page: Page) -> list[str]:
        page.set_content(PAGES["/good"].replace("<p>", '<img src="data:,"><p>'))
        return find_violations(page)

    [violation] = browser.look_at(f"{site}/good", plant)

    assert violation.startswith("image-alt")
    assert '<img src="data:,">' in violation


def test_axe_does_not_take_an_empty_page_for_one_in_order(browser: Browser, site: str):
    violations = browser.look_at(f"{site}/empty", find_violations)

    assert {violation.split()[0] for violation in violations} >= {"document-title", "html-has-lang"}
