"""What machines are told, by a process as in production, while the database is away or frozen."""

from collections.abc import Iterator

import pytest
import requests
from django.db import connection
from prometheus_client.parser import text_string_to_metric_families

from site_tests.processes import Programs, WebServer
from tools.postgres.tcp_proxy import TcpProxy, proxy_before

pytestmark = pytest.mark.django_db(transaction=True)

METRICS_TOKEN = "a-token-that-nobody-guesses"
# More than any of the answers may take; a test that comes near it has failed.
PATIENCE_SECONDS = 20


@pytest.fixture
def database() -> Iterator[TcpProxy]:
    """What stands before the tests' database."""
    with proxy_before(connection.settings_dict) as proxy:
        yield proxy


@pytest.fixture
def site(production: dict[str, str], programs: Programs, database: TcpProxy) -> WebServer:
    """A web server that reaches its database through the proxy."""
    url = production["DATABASE_URL"].replace(
        f":{connection.settings_dict['PORT']}/", f":{database.port}/"
    )
    return programs.start_web_server(DATABASE_URL=url, METRICS_TOKEN=METRICS_TOKEN)


def ask(site: WebServer, address: str) -> requests.Response:
    return requests.get(
        site.url + address,
        headers={"Authorization": f"Bearer {METRICS_TOKEN}"},
        timeout=PATIENCE_SECONDS,
    )


def scrape(site: WebServer) -> dict[str, float]:
    """Return all series of the page, by name and label values."""
    reply = ask(site, "/metrics")
    assert reply.status_code == 200
    return {
        " ".join([sample.name.removeprefix("mitxonline_certificate_"), *sample.labels.values()]): (
            sample.value
        )
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("how", ["freeze", "refuse"])
def test_without_its_database_the_site_lives_and_is_not_ready_and_says_so(
    site: WebServer, database: TcpProxy, how: str
):
    assert ask(site, "/healthz/ready").status_code == 200
    assert scrape(site)["database_up"] == 1

    getattr(database, how)()

    ready = ask(site, "/healthz/ready")
    assert ready.status_code == 503
    assert ready.json() == {
        "status": "not ready",
        # The migrations were found applied before, and are not looked for again.
        "checks": {"database": "no answer", "migrations": "ok", "openedx": "unknown"},
    }
    assert ask(site, "/healthz/live").status_code == 200
    told = scrape(site)
    assert told["database_up"] == 0
    assert "open_requests" not in told
    assert told["events_total invalid certificate"] == 1


def test_without_its_database_the_site_has_a_503_for_the_admin_and_for_oauth2(
    site: WebServer, database: TcpProxy
):
    database.refuse()

    replies = [
        requests.get(
            f"{site.url}/admin/",
            headers={"Cookie": f"sessionid={'a' * 32}"},
            timeout=PATIENCE_SECONDS,
        ),
        requests.post(
            f"{site.url}/oauth2/revoke_token/",
            data={"client_id": "any", "token": "any"},
            timeout=PATIENCE_SECONDS,
        ),
    ]

    assert [reply.status_code for reply in replies] == [503, 503]
    assert {reply.headers["Cache-Control"] for reply in replies} == {"no-store"}
    assert site.words.count('"database failed"') == 2
    assert '"stack"' not in site.words


def test_when_a_database_thaws_that_was_frozen_for_long_all_is_well(
    site: WebServer, database: TcpProxy
):
    assert ask(site, "/healthz/ready").status_code == 200
    database.freeze()
    for _ in range(3):
        assert ask(site, "/healthz/ready").status_code == 503
        assert scrape(site)["database_up"] == 0

    database.thaw()

    assert ask(site, "/healthz/ready").json()["checks"] == {
        "database": "ok",
        "migrations": "ok",
        "openedx": "ok",
    }
    assert scrape(site)["database_up"] == 1
