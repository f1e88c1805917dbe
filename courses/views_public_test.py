"""The certificate's page is everybody's: it says no more than the name, and can be shared."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext

from courses.factories import CourseRunCertificateFactory

pytestmark = pytest.mark.django_db

NOTHING = "/certificate/6a9c339a-d427-4917-b77a-281f3f0ff1c4/"


def revoked() -> str:
    return CourseRunCertificateFactory.create(is_revoked=True).link


def text_of(response) -> str:
    return response.content.decode()


@pytest.mark.parametrize(
    ("make", "caching"),
    [(None, "public, max-age=60"), (revoked, "no-cache"), (lambda: NOTHING, "no-cache")],
    ids=["valid", "revoked", "unknown"],
)
def test_the_page_is_the_same_for_everybody(admin_client, certificate, make, caching):
    link = make() if make else certificate.link

    with CaptureQueriesContext(connection) as queries:
        response = admin_client.get(link)

    # Neither the session nor the user is asked for, by whichever middleware.
    assert [query["sql"] for query in queries if "session" in query["sql"]] == []
    assert "Vary" not in response
    assert response["Cache-Control"] == caching
    assert response["X-Robots-Tag"] == "noindex"
    assert not response.cookies


def test_one_statement_finds_a_certificate_and_leaves_the_address_in_the_database(
    client, certificate
):
    with CaptureQueriesContext(connection) as queries:
        client.get(certificate.link)

    [query] = queries.captured_queries
    assert '"users_user"."name"' in query["sql"]
    assert "email" not in query["sql"]
    assert "username" not in query["sql"]


def test_no_more_is_told_of_the_learner_than_the_name(client, certificate):
    response = client.get(certificate.link)

    told = text_of(response).lower()
    assert "ana@example.net" not in told
    assert "ana.the.learner" not in told


# By what is wrong with it: a name that would leave its line on the certificate empty, or show an address.
NO_NAMES = {
    "none": "",
    "spaces": "   ",
    "address": "ana@example.net",
    "name_and_address": "Ana <ana@example.net>",
    "zero_width_space": "\u200b",
    "no_break_spaces": "\u00a0\u202f\u3000",
    "byte_order_mark": "\ufeff",
    "soft_hyphen": "\u00ad",
    "zero_width_joiners": "\u200c\u200d\u2060",
    "tags": "\U000e0001\U000e0041\U000e006e\U000e007f",
    "variation_selectors": "\ufe0f\U000e0100",
    "mongolian_variation_selector_and_vowel_separator": "\u180b\u180e",
    "combining_mark_alone": "\u0301",
    "spacing_mark_alone": " \u093e",
    "enclosing_mark_alone": "\u20e3",
    "combining_grapheme_joiner": "\u034f",
    "direction_marks": "\u200e\u200f\u061c",
    "direction_embeddings": "\u202a\u202e\u202c",
    "direction_isolates": "\u2066\u2067\u2068\u2069",
    "controls": "\x01\x1b\x7f\x85",
    "line_separators": "\u2028\u2029",
    "hangul_initial_filler": "\u115f",
    "hangul_middle_filler": "\u1160",
    "hangul_filler": "\u3164\u3164",
    "halfwidth_hangul_filler": "\uffa0",
    "empty_braille_cells": "\u2800 \u2800",
    "object_replacement": "\ufffc",
    "null_notehead": "\U0001d159",
    "annotation_anchors": "\ufff9\ufffa\ufffb",
    "private_use": "\ue000\U000f0000\U0010fffd",
    "unassigned": "\u0378\U000e0fff",
    "no_character": "\uffff\ufdd0",
    "many_together": "\u200b\u3164\u2800\ufeff \u0301\U000e0041",
}


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES)
def test_a_learner_without_a_name_that_can_be_seen_is_a_learner(client, name):
    certificate = CourseRunCertificateFactory.create(
        user__name=name, user__username="ana@example.net"
    )

    page = text_of(client.get(certificate.link))

    assert "<bdi>A learner of MITx Online</bdi>" in page
    assert "@" not in page


NAMES = {
    "latin": "Ana Díaz",
    "combining_accent": "Ana Di\u0301az",
    "one_letter": "O",
    "initials": "Q. X.",
    "persian_with_a_non_joiner": "\u0645\u0647\u200c\u0633\u0627",
    "hebrew_with_points": "\u05e9\u05b4\u05c1\u05d9\u05e8\u05b8\u05d4",
    "devanagari_with_vowels": "\u0936\u094d\u0930\u0940\u0926\u0947\u0935\u0940",
    "sinhala_with_a_joiner": "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "tamil": "\u0bae\u0bc0\u0ba9\u0bbe",
    "thai": "\u0e2a\u0e38\u0e14\u0e32",
    "khmer": "\u179f\u17bb\u1781\u17b6",
    "chinese": "\u738b\u5c0f\u660e",
    "rare_ideograph": "\U00020bb7\u91ce",
    "japanese": "\u3055\u304f\u3089",
    "hangul": "\uae40\ubbfc\uc9c0",
    "hangul_of_single_letters": "\u1100\u1161\u11a8",
    "ethiopic": "\u1230\u120b\u121d",
    "georgian": "\u10dc\u10d8\u10dc\u10dd",
    "adlam": "\U0001e900\U0001e922\U0001e923",
    "emoji_beside_letters": "Ana \u2764\ufe0f \U0001f469\u200d\U0001f393",
    "mark_of_direction_beside_letters": "\u200fAna",
    "zero_width_space_beside_letters": "Ana\u200b",
    "braille": "\u2801\u281d\u2801",
    "letter_beside_a_filler": "\u3164Ana",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_that_can_be_seen_stays_as_it_is(client, name):
    certificate = CourseRunCertificateFactory.create(user__name=name)

    page = text_of(client.get(certificate.link))

    assert f"<bdi>{name}</bdi>" in page


def test_what_is_typed_as_name_or_title_stays_text(client):
    planted = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7777|add:1 }} &amp;"
    certificate = CourseRunCertificateFactory.create(
        user__name=planted, course_run__course__title=planted, course_run__title=f"{planted}!"
    )

    page = text_of(client.get(certificate.link))

    assert "<script>" not in page
    assert "<img src=x" not in page
    assert "7778" not in re.sub(r"[0-9a-f-]{36}", "", page)
    assert page.count("{{ 7777|add:1 }} &amp;amp;") >= 5


def test_the_address_is_as_the_proxy_in_front_was_asked(client, certificate, settings):
    settings.ALLOWED_HOSTS = ["mitxonline.example.org"]

    response = client.get(
        certificate.link,
        headers={"Host": "mitxonline.example.org", "X-Forwarded-Proto": "https"},
    )

    address = f"https://mitxonline.example.org{certificate.link}"
    assert f'<a href="{address}">{address}</a>' in text_of(response)
    assert client.get(certificate.link, headers={"Host": "evil.example"}).status_code == 400


class Head(HTMLParser):
    """What a page tells the sites it is shared on, and what a strict policy would forbid in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.told: dict[str, str] = {}
        self.inline: list[str] = []
        self.links: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "meta" and (name := values.get("property") or values.get("name")):
            self.told[name] = values["content"]
        if tag == "link":
            self.links[values["rel"]] = values["href"]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)
        self.inline += [name for name in values if name == "style" or name.startswith("on")]


def test_a_shared_link_says_what_it_leads_to(client, certificate):
    head = Head(text_of(client.get(certificate.link, {"utm_source": "mail"})))

    address = f"http://testserver{certificate.link}"
    assert head.links["canonical"] == address
    shared = {name: word for name, word in head.told.items() if name.startswith(("og:", "twitter"))}
    assert shared == {
        "og:type": "website",
        "og:site_name": "MITx Online",
        "og:title": "Ana Díaz: Fundamentals of Statistics",
        "og:description": "Ana Díaz has completed and passed the course Fundamentals of "
        "Statistics. Issued by MITx Online on November 25, 2026.",
        "og:url": address,
        "og:image": "http://testserver/static/courses/share.png",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "A certificate of MITx Online, with a seal",
        "twitter:card": "summary_large_image",
    }


def test_the_picture_of_a_shared_link_is_as_large_as_it_says_and_light():
    content = Path(finders.find("courses/share.png")).read_bytes()

    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(content[16:20]), int.from_bytes(content[20:24])) == (1200, 630)
    assert len(content) < 100_000


def test_a_strict_content_security_policy_forbids_nothing_on_the_pages(client, certificate):
    for link in (certificate.link, revoked(), NOTHING):
        assert Head(text_of(client.get(link))).inline == []


@pytest.mark.parametrize("base", ["https://mitxonline.example.org", ""])
def test_the_address_to_share_is_the_sites_own_where_it_is_known(
    client, certificate, settings, base
):
    settings.SITE_BASE_URL = base
    settings.ALLOWED_HOSTS = ["internal"]
    expected = f"{base or 'http://internal:99'}{certificate.link}"

    page = client.get(certificate.link, headers={"host": "internal:99"})

    assert f'<link rel="canonical" href="{expected}">' in text_of(page)
