"""`make serve`: the site, its worker, the simulated Open edX and PostgreSQL, until Ctrl-C or SIGTERM."""

import os
import signal
import sys
import time

from tools.demo import terminal
from tools.demo.children import Children, Ended, Interruption, failure_of
from tools.demo.description import load_runs
from tools.demo.failure import DemoFailed
from tools.demo.site import (
    Prepared,
    Site,
    folder_locked,
    prepare,
    say_where,
    start_servers,
    start_worker,
)
from tools.demo.story import Event
from tools.demo.surroundings import ignores_a_database, postgres
from tools.demo.terminal import fact, heading, say
from tools.processes import Program

LOOK_SECONDS = 0.2


def main() -> int:
    """Serve until told to end, and return 0 then; 1 if a server ends by itself."""
    terminal.prepare()
    with Interruption() as interruption:
        try:
            with postgres() as database_url, Children(interruption) as children:
                if ignores_a_database(os.environ):
                    say("DATABASE_URL is set, and left alone: this PostgreSQL is its own.")
                with folder_locked():
                    prepared = prepare(children, database_url, reset=False)
                site = start_servers(children, database_url)
                worker = start_worker(children, site)
                _say_what_to_do(site, prepared)
                _watch((*site.servers, worker))
        except DemoFailed as error:
            say(str(error), "bad")
            return 1
        except Ended as ended:
            interruption.begin_ending()
            say()
            say("Ended.")
            return 0 if ended.number in (signal.SIGINT, signal.SIGTERM) else 128 + ended.number
    return 0


def _say_what_to_do(site: Site, prepared: Prepared) -> None:
    credentials = prepared.credentials
    # The run with a date still to come: an event does not wait for it.
    run = load_runs()[-1]
    event = Event(
        site.webhook_url,
        credentials.webhook_token,
        {"email": run.find(passed=True, verified=True).email, "course_id": run.course_id},
    )
    heading("The site runs")
    fact("The admin", f"{site.web_url}/admin/")
    fact("User name", credentials.admin_username)
    fact("Password", credentials.admin_password)
    say_where(site)
    say()
    say("An event, as Open edX's plugin sends it; paste it into another terminal:")
    say(event.as_curl())
    say()
    say("Ctrl-C ends it all.")


def _watch(servers: tuple[Program, ...]) -> None:
    while True:
        for server in servers:
            if not server.is_running:
                raise failure_of(server, f"ended with status {server.process.returncode}")
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
