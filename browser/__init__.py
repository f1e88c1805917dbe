"""A Chromium for the tests that look at pages: found, fetched where there is none, and driven."""

from browser.exceptions import BrowserError
from browser.finding import find_browser
from browser.window import Browser, Page

__all__ = ["Browser", "BrowserError", "Page", "find_browser"]
