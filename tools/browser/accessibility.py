"""What axe, a checker of the WCAG's rules, finds on a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# WCAG 2.2 at level AA, which holds all of the older ones, and what axe calls good practice.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def find_violations(page: Page) -> list[str]:
    """Return a line for each element that breaks a rule, with the rule; none for a page in order."""
    # axe comes in by the debugger, which a Content-Security-Policy does not forbid.
    # Style sheets that it loads beforehand it would put into the page, which the policy does forbid.
    options = {"runOnly": {"type": "tag", "values": list(TAGS)}, "preload": False}
    found = Axe().run(page, options=options)
    return [
        f"{broken['id']} ({broken['help']}): {node['html']}"
        for broken in found.response["violations"]
        for node in broken["nodes"]
    ]
