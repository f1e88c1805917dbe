"""/metrics: its readers, what it says, and what it says while the database is away."""

from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from courses.factories import CourseRunFactory
from openedx_certificates.models import CertificateRequest
from users.factories import UserFactory

# The figures are read in a thread of its own: only what is committed is there for it.
pytestmark = pytest.mark.django_db

TOKEN = "a-token-that-nobody-guesses"


def scrape(client: Client, **headers: str) -> dict[str, float]:
    """Return the values of the series without labels, by name."""
    reply = client.get("/metrics", headers=headers)
    assert reply.status_code == 200
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(reply.content.decode())
        for sample in family.samples
        if not sample.labels
    }


class TestWhoMayRead:
    @pytest.mark.parametrize("address", ["/metrics", "/metrics/"])
    def test_whoever_shows_the_token(self, client: Client, settings: Any, address: str):
        settings.METRICS_TOKEN = TOKEN

        reply = client.get(address, headers={"authorization": f"Bearer {TOKEN}"})

        assert reply.status_code == 200
        assert reply["Content-Type"].startswith("text/plain; version=")
        assert "no-store" in reply["Cache-Control"]

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            TOKEN,
            f"Token {TOKEN}",
            "Bearer",
            "Bearer wrong",
            f"Bearer {TOKEN}2",
            "Bearer é",
        ],
        ids=str,
    )
    def test_nobody_else(self, client: Client, settings: Any, authorization: str | None):
        settings.METRICS_TOKEN = TOKEN

        reply = client.get(
            "/metrics", headers={} if authorization is None else {"authorization": authorization}
        )

        assert reply.status_code == 401
        assert reply["WWW-Authenticate"].startswith("Bearer")
        assert b"mitxonline" not in reply.content
        assert "no-store" in reply["Cache-Control"]

    def test_who_tries_tokens_out_waits_and_who_has_it_does_not(
        self, client: Client, settings: Any
    ):
        settings.METRICS_TOKEN, settings.OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX = TOKEN, 2

        replies = [
            client.get("/metrics", headers={"authorization": f"Bearer {token}"})
            for token in ("a", "b", "c", TOKEN)
        ]

        assert [reply.status_code for reply in replies] == [401, 401, 429, 200]
        assert 0 < int(replies[2]["Retry-After"]) <= 60

    def test_without_a_token_set_there_is_no_such_page(self, client: Client, settings: Any):
        settings.METRICS_TOKEN, settings.DEBUG = "", False

        for authorization in ("", "Bearer ", f"Bearer {TOKEN}"):
            reply = client.get("/metrics", headers={"authorization": authorization})
            assert reply.status_code == 404

    def test_in_development_it_is_open(self, client: Client, settings: Any):
        settings.METRICS_TOKEN, settings.DEBUG = "", True

        assert client.get("/metrics").status_code == 200

    @pytest.mark.parametrize("method", ["head", "post", "put", "delete", "options"])
    def test_it_is_read_and_nothing_else(self, client: Client, settings: Any, method: str):
        settings.METRICS_TOKEN = TOKEN

        reply = getattr(client, method)("/metrics", headers={"authorization": f"Bearer {TOKEN}"})

        assert reply.status_code == 405

    def test_it_is_read_by_address_and_plain_http(self, settings: Any):
        settings.METRICS_TOKEN = TOKEN
        settings.SECURE_SSL_REDIRECT = True
        settings.ALLOWED_HOSTS = ["mitxonline.example.org"]

        reply = Client(headers={"host": "10.1.2.3:8013"}).get(
            "/metrics", headers={"authorization": f"Bearer {TOKEN}"}
        )

        assert reply.status_code == 200


class TestWhatItSays:
    @pytest.mark.django_db(transaction=True)
    def test_what_the_database_says_at_this_moment(self, client: Client, settings: Any):
        settings.DEBUG = True
        before = scrape(client)
        CertificateRequest.objects.create(user=UserFactory.create(), course_run=CourseRunFactory())

        after = scrape(client)

        assert before["mitxonline_certificate_open_requests"] == 0
        assert after["mitxonline_certificate_open_requests"] == 1
        assert after["mitxonline_certificate_database_up"] == 1

    def test_each_outcome_of_an_event_is_there_before_the_first(
        self, client: Client, settings: Any
    ):
        settings.DEBUG = True

        page = client.get("/metrics").content.decode()

        assert '_events_total{outcome="throttled",webhook="enrollment"}' in page
        assert '_openedx_errors_total{error="timeout",question="page"}' in page
        assert '_openedx_question_seconds_count{question="grade"}' in page
        assert "_created{" not in page

    def test_each_metric_says_what_it_is(self, client: Client, settings: Any):
        settings.DEBUG = True

        page = client.get("/metrics").content.decode()

        for family in text_string_to_metric_families(page):
            assert family.name.startswith("mitxonline_certificate_")
            assert family.documentation.endswith(".")
            assert family.type != "unknown"
