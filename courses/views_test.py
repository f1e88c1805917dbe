"""What the certificate's address answers: a page or JSON, and if there is no certificate."""

from datetime import timedelta
from typing import Any

import pytest
import segno
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from courses.factories import CourseRunCertificateFactory
from courses.models import CourseRunCertificate
from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.testing.factories import CourseRunCertificateDeletionFactory

pytestmark = pytest.mark.django_db

SOME_UUID = "6a9c339a-d427-4917-b77a-281f3f0ff1c4"
NOTHING = f"/certificate/{SOME_UUID}/"
NO_LONGER_VALID = "This certificate is no longer valid"
NOT_HERE = "There is no certificate at this address"


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


def test_the_models_link_is_the_pages_address(certificate):
    assert reverse("certificate", args=[certificate.uuid]) == certificate.link


@pytest.mark.parametrize("query", ["", "?utm_source=mail"])
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
    ("make", "status", "heading"),
    [
        (lambda: NOTHING, 404, NOT_HERE),
        (lambda: "/certificate/nonsense/", 404, NOT_HERE),
        (lambda: "/certificate/%00/", 404, NOT_HERE),
        (lambda: f"/certificate/{SOME_UUID}0/", 404, NOT_HERE),
        (still_to_come, 404, NOT_HERE),
        (without_a_date, 404, NOT_HERE),
        (revoked, 410, NO_LONGER_VALID),
        (revoked_before_its_day, 410, NO_LONGER_VALID),
        (deleted, 410, NO_LONGER_VALID),
    ],
    ids=[
        *("unknown", "no_uuid", "nul", "too_long", "still_to_come", "without_a_date"),
        *("revoked", "revoked_before_its_day", "deleted"),
    ],
)


@ABSENT
def test_where_there_is_none_the_page_says_so_and_names_nobody(client, db, make, status, heading):
    response = client.get(make())

    assert response.status_code == status
    assert response["Content-Type"] == "text/html; charset=utf-8"
    page = text_of(response).replace("&#x27;", "'")
    assert f"<h1>{heading}</h1>" in page
    assert "Ana" not in page


def test_a_certificate_given_back_is_shown_again(client, certificate):
    CourseRunCertificate.all_objects.update(is_revoked=True)
    assert client.get(certificate.link).status_code == 410

    CourseRunCertificate.all_objects.update(is_revoked=False)

    assert client.get(certificate.link).status_code == 200


def test_a_database_that_fails_is_no_verdict_on_the_certificate(
    client, certificate, broken_database, caplog
):
    response = client.get(certificate.link)

    assert response.status_code == 503
    assert "be shown at the moment" in text_of(response)
    assert "secret" not in text_of(response) + caplog.text
    assert "database failed" in caplog.messages


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("link", [NOTHING, "/certificate/nonsense/"])
def test_it_is_only_read(method, link):
    # Without the token of a form.
    response = getattr(Client(enforce_csrf_checks=True), method)(link)

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


def test_head_has_the_headers_alone(client, certificate):
    got, head = client.get(certificate.link), client.head(certificate.link)

    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Cache-Control", "X-Robots-Tag"):
        assert head[name] == got[name]


def test_a_site_that_signs_leads_to_the_credential(client: Client, settings: Any):
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [SigningKey.generate().secret]
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = "https://certificates.example.org"
    certificate = CourseRunCertificateFactory.create()

    page = client.get(certificate.link).text

    address = f"https://certificates.example.org/certificate/{certificate.uuid}/credential/"
    assert f'<a class="button" href="{address}">Add to a wallet or download</a>' in page
    assert segno.make(address, error="m").svg_inline(omitsize=True, border=2) in page


def test_a_site_that_does_not_sign_says_nothing_of_it(client: Client):
    assert "credential" not in client.get(CourseRunCertificateFactory.create().link).text
