"""Which callers get JSON, and which a page."""

import pytest
from django.test import RequestFactory

from courses.negotiation import wants_json

A_BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        (A_BROWSERS, False),
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json; charset=utf-8", True),
        # What JavaScript's libraries send.
        ("application/json, text/plain, */*", True),
        ("application/*", True),
        ("application/json, text/html", False),
        ("text/html, application/json", False),
        ("text/html;q=0.8, application/json", True),
        ("application/json;q=0.8, text/html", False),
        ("application/json;q=0.8, */*;q=0.9", False),
        ("text/html;q=0.2, */*;q=0.9", True),
        ("text/html;q=0, */*", True),
        ("application/json;q=0", False),
        ("application/json;q=0, text/html;q=0", False),
        ("image/png", False),
        ("application/json;q=much", True),
        ("text/html;q=1.0, application/json;q=2", False),
        ("json", False),
        (";;,,/", False),
        ("application/json;a*=no-such-charset''x", False),
    ],
)
def test_the_accept_header_says_who_prefers_json(accept, expected):
    headers = {} if accept is None else {"Accept": accept}

    assert wants_json(RequestFactory().get("/", headers=headers)) is expected


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("format=json", A_BROWSERS, True),
        ("format=html", "application/json", False),
        ("format=pdf", A_BROWSERS, False),
        ("format=pdf", "application/json", True),
        ("format=", "*/*", False),
        ("format=json&utm_source=mail", A_BROWSERS, True),
    ],
)
def test_the_format_asked_for_goes_before_and_an_unknown_one_is_ignored(query, accept, expected):
    assert wants_json(RequestFactory().get(f"/?{query}", headers={"Accept": accept})) is expected
