"""A Chromium for the tests that look at pages: found, fetched if there is none, and driven."""

from playwright.sync_api import Page

from tools.browser.exceptions import BrowserError
from tools.browser.finding import find_browser
from tools.browser.window import Browser

__all__ = ["Browser", "BrowserError", "Page", "find_browser"]
