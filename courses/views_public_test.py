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
@pytest.mark.parametrize("format_", ["html", "json"])
def test_the_page_is_the_same_for_everybody(admin_client, certificate, make, caching, format_):
    link = make() if make else certificate.link

    with CaptureQueriesContext(connection) as queries:
        response = admin_client.get(link, {"format": format_})

    # Neither the session nor the user is asked for, by whichever middleware.
    assert [query["sql"] for query in queries if "session" in query["sql"]] == []
    assert response["Vary"] == "Accept"
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


@pytest.mark.parametrize("format_", ["html", "json"])
def test_no_more_is_told_of_the_learner_than_the_name(client, certificate, format_):
    response = client.get(certificate.link, {"format": format_})

    told = text_of(response).lower()
    assert "ana@example.net" not in told
    assert "ana.the.learner" not in told


@pytest.mark.parametrize("name", ["", "   ", "ana@example.net", "Ana <ana@example.net>"])
def test_a_learner_without_a_name_is_a_learner(client, name):
    certificate = CourseRunCertificateFactory.create(
        user__name=name, user__username="ana@example.net"
    )

    page = text_of(client.get(certificate.link))

    assert "<bdi>A learner of MITx Online</bdi>" in page
    assert "@" not in page
    assert client.get(certificate.link, {"format": "json"}).json()["name"] is None


def test_what_is_typed_as_name_or_title_stays_text(client):
    planted = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7|add:7 }} &amp;"
    certificate = CourseRunCertificateFactory.create(
        user__name=planted, course_run__course__title=planted, course_run__title=f"{planted}!"
    )

    page = text_of(client.get(certificate.link))
    told = client.get(certificate.link, {"format": "json"}).json()

    assert "<script>" not in page
    assert "<img src=x" not in page
    assert "14" not in re.sub(r"[0-9a-f-]{36}", "", page)
    assert page.count("{{ 7|add:7 }} &amp;amp;") >= 5
    assert told["name"] == told["course"]["title"] == planted


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
    assert head.links["alternate"] == f"{address}?format=json"
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
    told = client.get(certificate.link, {"format": "json"}, headers={"host": "internal:99"})

    assert told.json()["link"] == expected
    assert f'<link rel="canonical" href="{expected}">' in text_of(page)
