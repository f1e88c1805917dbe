"""A Chromium for the tests that look at pages: found, fetched where there is none, and driven."""

from tools.browser.exceptions import BrowserError
from tools.browser.finding import find_browser
from tools.browser.window import Browser, Page

__all__ = ["Browser", "BrowserError", "Page", "find_browser"]
