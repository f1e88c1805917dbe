"""Whatever happened to the database, the next event after it is over is served."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from django.contrib.auth.hashers import make_password
from django.db import connection

from courses.models import CourseRun
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.tables import alter
from site_tests.fixtures import is_all_settled
from site_tests.processes import Programs, WebServer
from tools.postgres.tcp_proxy import TcpProxy, drop_all_packets, proxy_before
from tools.processes import find_free_port, wait_until
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 20
SetForTheDatabase = Callable[[str, str], None]


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    """What stands before the tests' database."""
    with proxy_before(connection.settings_dict) as proxy:
        yield proxy


@pytest.fixture
def url(production: dict[str, str], proxy: TcpProxy) -> str:
    """The database's address, behind the proxy."""
    return production["DATABASE_URL"].replace(
        f":{connection.settings_dict['PORT']}/", f":{proxy.port}/"
    )


@pytest.fixture
def site(programs: Programs, url: str) -> WebServer:
    """A web server behind the proxy."""
    return programs.start_web_server(DATABASE_URL=url)


@pytest.fixture
def set_for_the_database() -> Iterator[SetForTheDatabase]:
    """Set a parameter for new sessions of the tests' database, until the end of the test."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])

    def change(statement: str) -> None:
        with connection.cursor() as cursor:
            # The test's own session may be one that takes no writes.
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {name} {statement}")

    def set_parameter(parameter: str, value: str) -> None:
        change(f"SET {parameter} = {value}")

    yield set_parameter
    change("RESET ALL")


def send(site: WebServer, learner: User, run: CourseRun) -> tuple[int, dict[str, str]]:
    """Send the learner's event; return the status and what was answered."""
    reply = requests.post(
        site.webhook,
        json={"email": learner.email, "course_id": run.courseware_id},
        headers={"Authorization": f"Bearer {site.token}"},
        timeout=PATIENCE_SECONDS,
    )
    if reply.status_code == 503:
        assert reply.headers["Retry-After"] == "1"
        assert list(reply.json()) == ["error"]
    return reply.status_code, reply.json()


def is_ready(site: WebServer) -> bool:
    return requests.get(f"{site.url}/healthz/ready", timeout=PATIENCE_SECONDS).status_code == 200


CREATED = (200, {"certificate_status": "created"})


def fill_the_pool(site: WebServer, learners: list[User], run: CourseRun) -> None:
    """Leave as many idle connections as there are learners, at most, with a certificate for each."""
    with ThreadPoolExecutor(len(learners)) as executor:
        statuses = list(executor.map(lambda learner: send(site, learner, run)[0], learners))
    assert statuses == [200] * len(learners)


class TestAServerThatIsDown:
    def test_the_first_event_after_it_is_back_is_served(
        self, site: WebServer, proxy: TcpProxy, dana: User, run: CourseRun
    ):
        assert is_ready(site)
        proxy.refuse()
        while_it_was_down = [send(site, dana, run)[0] for _ in range(5)]
        assert not is_ready(site)

        proxy.come_back()

        assert while_it_was_down == [503] * 5
        assert send(site, dana, run) == CREATED
        assert is_ready(site)

    def test_a_crowd_that_comes_while_it_is_down_is_told_so(
        self, site: WebServer, proxy: TcpProxy, learners: list[User], run: CourseRun
    ):
        proxy.refuse()

        with ThreadPoolExecutor(16) as executor:
            replies = list(executor.map(lambda learner: send(site, learner, run), 4 * learners))
        proxy.come_back()

        assert [status for status, _ in replies] == [503] * 20
        assert send(site, learners[0], run) == CREATED


class TestConnectionsThatDie:
    def test_idle_ones_that_the_server_has_ended_cost_no_event(
        self, site: WebServer, proxy: TcpProxy, learners: list[User], dana: User, run: CourseRun
    ):
        fill_the_pool(site, learners, run)

        proxy.cut()

        assert send(site, dana, run) == CREATED

    def test_a_time_out_of_idle_sessions_costs_no_event(
        self,
        programs: Programs,
        url: str,
        learners: list[User],
        dana: User,
        run: CourseRun,
        set_for_the_database: SetForTheDatabase,
    ):
        set_for_the_database("idle_session_timeout", "'100ms'")
        site = programs.start_web_server(DATABASE_URL=f"{url}?application_name=the-site")
        fill_the_pool(site, learners, run)
        wait_until(lambda: count_sessions("the-site") == 0)

        assert send(site, dana, run) == CREATED

    def test_ones_that_have_gone_silent_are_left_for_the_server_that_answers(
        self, site: WebServer, proxy: TcpProxy, learners: list[User], dana: User, run: CourseRun
    ):
        fill_the_pool(site, learners, run)

        proxy.go_silent(also_for_new=False)
        first, second = send(site, dana, run), send(site, dana, run)

        # The first may have met a connection that had answered just before.
        assert first[0] in (200, 503)
        assert second[0] == 200
        assert is_ready(site)

    def test_a_machine_that_is_silent_is_back_as_soon_as_another_has_its_address(
        self, site: WebServer, proxy: TcpProxy, learners: list[User], dana: User, run: CourseRun
    ):
        fill_the_pool(site, learners, run)
        proxy.go_silent(also_for_new=True)
        while_it_was_silent = [send(site, dana, run)[0] for _ in range(3)]
        assert not is_ready(site)

        proxy.come_back()

        assert while_it_was_silent == [503] * 3
        assert send(site, dana, run) == CREATED
        assert is_ready(site)

    def test_a_command_that_watches_goes_on_when_its_connections_have_gone_silent(
        self,
        programs: Programs,
        url: str,
        proxy: TcpProxy,
        dana: User,
        run: CourseRun,
        openedx: SimulatedOpenEdx,
    ):
        # The URL's own options win, so that the test need not wait for ten seconds.
        impatient = f"{url}?tcp_user_timeout=500&keepalives_idle=1&keepalives_interval=1"
        watch = programs.start_command(
            "process_certificate_requests", "--watch", DATABASE_URL=impatient
        )
        CertificateRequest.objects.create(user=dana, course_run=run)
        wait_until(is_all_settled, lambda: watch.words)

        proxy.go_silent(also_for_new=False)
        CertificateRequest.objects.create(user=dana, course_run=run)

        wait_until(is_all_settled, lambda: watch.words)


class TestAServerThatTakesNoWrites:
    def test_connections_to_it_are_dropped_at_the_first_event_that_fails(
        self,
        programs: Programs,
        url: str,
        dana: User,
        run: CourseRun,
        set_for_the_database: SetForTheDatabase,
    ):
        # A pool that has a connection to a node that is a standby now, and stays one.
        set_for_the_database("default_transaction_read_only", "on")
        site = programs.start_web_server(DATABASE_URL=f"{url}?target_session_attrs=any")
        assert not is_ready(site)
        assert send(site, dana, run)[0] == 503

        set_for_the_database("default_transaction_read_only", "off")

        assert send(site, dana, run) == CREATED
        assert is_ready(site)

    def test_it_is_not_connected_to(
        self,
        site: WebServer,
        proxy: TcpProxy,
        dana: User,
        run: CourseRun,
        set_for_the_database: SetForTheDatabase,
    ):
        set_for_the_database("default_transaction_read_only", "on")
        proxy.cut()
        assert send(site, dana, run)[0] == 503
        assert not is_ready(site)

        set_for_the_database("default_transaction_read_only", "off")

        assert send(site, dana, run) == CREATED

    def test_a_login_is_asked_to_come_again(
        self, programs: Programs, url: str, set_for_the_database: SetForTheDatabase
    ):
        UserFactory.create(username="ada", is_staff=True, password=make_password("a good one"))
        set_for_the_database("default_transaction_read_only", "on")
        site = programs.start_web_server(DATABASE_URL=f"{url}?target_session_attrs=any")
        browser = requests.Session()
        login = f"{site.url}/admin/login/"
        # The site's cookies are for HTTPS alone; the proxy in front says so.
        https = {"X-Forwarded-Proto": "https", "Referer": login.replace("http:", "https:")}
        browser.get(login, headers=https, timeout=PATIENCE_SECONDS)
        csrf = browser.cookies["csrftoken"]

        reply = browser.post(
            login,
            data={"username": "ada", "password": "a good one", "csrfmiddlewaretoken": csrf},
            headers={**https, "Cookie": f"csrftoken={csrf}"},
            timeout=PATIENCE_SECONDS,
        )

        assert reply.status_code == 503
        assert reply.headers["Retry-After"] == "1"


class TestADiskThatIsFull:
    def test_the_site_is_ready_again_when_there_is_room(
        self, site: WebServer, dana: User, run: CourseRun
    ):
        # Stands in for the disk: the server says the same when it can't extend a file.
        alter(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
            "CREATE TRIGGER no_room BEFORE INSERT ON openedx_certificates_certificaterequest "
            "EXECUTE FUNCTION no_room()"
        )
        while_it_was_full = send(site, dana, run)[0], is_ready(site)

        alter("DROP FUNCTION no_room CASCADE")

        assert while_it_was_full == (503, False)
        assert send(site, dana, run) == CREATED
        assert is_ready(site)


class TestSeveralServers:
    @pytest.fixture(params=["silent", "down"])
    def first_port(self, request: pytest.FixtureRequest) -> Iterator[int]:
        """The port of a server that answers nothing, or is down."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            drop_all_packets(listener)
            yield listener.getsockname()[1] if request.param == "silent" else find_free_port()

    def test_a_first_one_that_does_not_answer_costs_no_event_and_no_command(
        self,
        production: dict[str, str],
        programs: Programs,
        dana: User,
        run: CourseRun,
        first_port: int,
    ):
        port = connection.settings_dict["PORT"]
        url = production["DATABASE_URL"].replace(
            f"@127.0.0.1:{port}/", f"@127.0.0.1:{first_port},127.0.0.1:{port}/"
        )
        site = programs.start_web_server(DATABASE_URL=url)

        reply = send(site, dana, run)
        said = programs.run_command("process_certificate_requests", DATABASE_URL=url)

        assert reply == CREATED
        assert "Open now: 0." in said


def count_sessions(application_name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [application_name]
        )
        (count,) = cursor.fetchone()
    return count
