"""What the certificate's address answers: statuses, headers, JSON, and whom it tells of what."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from courses.factories import CourseRunCertificateDeletionFactory, CourseRunCertificateFactory
from courses.models import CourseRunCertificate

pytestmark = pytest.mark.django_db

SOME_UUID = "6a9c339a-d427-4917-b77a-281f3f0ff1c4"
NOTHING = f"/certificate/{SOME_UUID}/"
NO_LONGER_VALID = "This certificate is no longer valid"
NOT_HERE = "There is no certificate at this address"


@pytest.fixture
def certificate(db: None) -> CourseRunCertificate:
    """Ana's certificate of statistics."""
    return CourseRunCertificateFactory.create(
        user__name="Ana Díaz",
        user__username="ana.the.learner",
        user__email="ana@example.net",
        course_run__courseware_id="course-v1:MITxT+18.6501x+R1",
        course_run__title="Statistics in spring",
        course_run__course__title="Fundamentals of Statistics",
        course_run__course__readable_id="course-v1:MITxT+18.6501x",
        # In New York it is still the 24th.
        issue_date=datetime(2026, 11, 25, 1, 30, tzinfo=UTC),
    )


def text_of(response) -> str:
    return response.content.decode()


def test_the_page_names_learner_course_run_day_and_address(client, certificate):
    response = client.get(certificate.link)

    assert response.status_code == 200
    assert response["Content-Type"] == "text/html; charset=utf-8"
    page = text_of(response)
    for word in (
        "<bdi>Ana Díaz</bdi>",
        "<bdi>Fundamentals of Statistics</bdi>",
        "<bdi>Statistics in spring</bdi>",
        "course-v1:MITxT+18.6501x+R1",
        '<time datetime="2026-11-25">November 25, 2026</time>',
        f"http://testserver/certificate/{certificate.uuid}/</a>",
    ):
        assert word in page


def test_a_run_of_the_courses_own_title_is_not_named_twice(client):
    certificate = CourseRunCertificateFactory.create(
        course_run__title="Statistics", course_run__course__title="Statistics"
    )

    assert text_of(client.get(certificate.link)).count("<bdi>Statistics</bdi>") == 1


def test_json_says_the_same(client, certificate):
    response = client.get(certificate.link, {"format": "json"})

    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "uuid": str(certificate.uuid),
        "status": "valid",
        "name": "Ana Díaz",
        "course": {
            "title": "Fundamentals of Statistics",
            "readable_id": "course-v1:MITxT+18.6501x",
        },
        "course_run": {
            "title": "Statistics in spring",
            "course_id": "course-v1:MITxT+18.6501x+R1",
        },
        "issue_date": "2026-11-25",
        "link": f"http://testserver/certificate/{certificate.uuid}/",
    }
    accepted = client.get(certificate.link, headers={"Accept": "application/json"})
    assert accepted.json() == response.json()


def test_the_models_link_is_the_pages_address(certificate):
    assert reverse("certificate", args=[certificate.uuid]) == certificate.link


@pytest.mark.parametrize("query", ["", "?format=json"])
def test_the_address_without_its_slash_or_in_capitals_leads_to_the_page(client, certificate, query):
    for spelling in (
        certificate.link.rstrip("/"),
        f"/certificate/{str(certificate.uuid).upper()}/",
        f"/certificate/{certificate.uuid.hex}/",
    ):
        response = client.get(f"{spelling}{query}")

        assert response.status_code in (301, 302)
        assert response["Location"] == f"{certificate.link}{query}"


def revoked():
    return CourseRunCertificateFactory.create(user__name="Ana Díaz", is_revoked=True).link


def deleted():
    record = CourseRunCertificateDeletionFactory.create(user__name="Ana Díaz")
    return f"/certificate/{record.certificate_uuid}/"


def still_to_come():
    later = timezone.now() + timedelta(days=1)
    return CourseRunCertificateFactory.create(user__name="Ana Díaz", issue_date=later).link


def without_a_date():
    return CourseRunCertificateFactory.create(user__name="Ana Díaz", issue_date=None).link


def revoked_before_its_day():
    later = timezone.now() + timedelta(days=1)
    return CourseRunCertificateFactory.create(
        user__name="Ana Díaz", is_revoked=True, issue_date=later
    ).link


ABSENT = pytest.mark.parametrize(
    ("make", "status", "heading", "said"),
    [
        (lambda: NOTHING, 404, NOT_HERE, "unknown"),
        (lambda: "/certificate/nonsense/", 404, NOT_HERE, "unknown"),
        (lambda: "/certificate/%00/", 404, NOT_HERE, "unknown"),
        (lambda: f"/certificate/{SOME_UUID}0/", 404, NOT_HERE, "unknown"),
        (still_to_come, 404, NOT_HERE, "unknown"),
        (without_a_date, 404, NOT_HERE, "unknown"),
        (revoked, 410, NO_LONGER_VALID, "revoked"),
        (revoked_before_its_day, 410, NO_LONGER_VALID, "revoked"),
        (deleted, 410, NO_LONGER_VALID, "revoked"),
    ],
    ids=[
        *("unknown", "no_uuid", "nul", "too_long", "still_to_come", "without_a_date"),
        *("revoked", "revoked_before_its_day", "deleted"),
    ],
)


@ABSENT
def test_where_there_is_none_the_page_says_so_and_names_nobody(
    client, db, make, status, heading, said
):
    response = client.get(make())

    assert response.status_code == status
    assert response["Content-Type"] == "text/html; charset=utf-8"
    page = text_of(response).replace("&#x27;", "'")
    assert f"<h1>{heading}</h1>" in page
    assert "Ana" not in page


@ABSENT
def test_where_there_is_none_json_says_so(client, db, make, status, heading, said):
    response = client.get(make(), headers={"Accept": "application/json"})

    assert (response.status_code, response.json()) == (status, {"status": said, "error": heading})


def test_a_certificate_given_back_is_shown_again(client, certificate):
    CourseRunCertificate.all_objects.update(is_revoked=True)
    assert client.get(certificate.link).status_code == 410

    CourseRunCertificate.all_objects.update(is_revoked=False)

    assert client.get(certificate.link).status_code == 200


@pytest.mark.parametrize("format_", ["html", "json"])
def test_a_database_that_fails_is_no_verdict_on_the_certificate(
    client, certificate, broken_database, format_, caplog
):
    response = client.get(certificate.link, {"format": format_})

    assert response.status_code == 503
    assert "be shown at the moment" in text_of(response)
    assert "secret" not in text_of(response) + caplog.text
    assert [record.message for record in caplog.records] == ["database failed"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("link", [NOTHING, "/certificate/nonsense/"])
def test_it_is_only_read(method, link):
    # Without the token of a form.
    response = getattr(Client(enforce_csrf_checks=True), method)(link)

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


def test_head_has_the_headers_alone(client, certificate):
    got, head = client.get(certificate.link), client.head(certificate.link)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == got.headers


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
    for link in (certificate.link, revoked(), f"/certificate/{uuid4()}/"):
        assert Head(text_of(client.get(link))).inline == []
