"""What the demo and `make serve` have in common: the data, the simulated Open edX, the web server."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.demo.children import Children
from tools.demo.credentials import Credentials
from tools.demo.description import OPENEDX_FILE
from tools.demo.surroundings import (
    BINARIES,
    CHECKOUT,
    HOST,
    OPENEDX_PORT,
    OWN_FOLDER,
    WEB_PORT,
    child_environment,
    find_free_port,
    locked,
    ports_locked,
)
from tools.demo.terminal import fact, say
from tools.processes import Program

MANAGE = (sys.executable, "manage.py")
# How the site is served, here and in production (docs/settings.md); host and port follow.
GRANIAN = (
    "granian --interface wsgi main.wsgi:application --workers 2 --blocking-threads 256"
    " --workers-kill-timeout 30 --respawn-failed-workers"
)
WEBHOOK_PATH = "/api/openedx_webhook/certificate/"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the preparation of the database came to."""

    credentials: Credentials
    deleted: dict[str, int]
    #: Course runs of the same database that are not the demo's, and that a sweep looks at.
    other_runs: list[str]


@dataclass(frozen=True, slots=True)
class Site:
    """The addresses of it all."""

    web_url: str
    openedx_url: str
    environment: dict[str, str]
    servers: tuple[Program, ...]

    @property
    def webhook_url(self) -> str:
        """The address the plugin sends its events to."""
        return self.web_url + WEBHOOK_PATH


def ask_django(children: Children, call: str, environment: dict[str, str]) -> Any:
    """Return what a function of `tools.demo.rows` prints, run in a process that has Django's settings."""
    function = call.partition("(")[0]
    command = (*MANAGE, "shell", "--no-imports", "--command")
    output = children.run(
        "The work on the database",
        (*command, f"from tools.demo.rows import {function}; {call}"),
        environment,
        OWN_FOLDER / f"{function}.log",
    )
    return json.loads(output)


def prepare(children: Children, database_url: str, *, reset: bool) -> Prepared:
    """Migrate, and load what is missing; see `tools.demo.rows.prepare`."""
    # No program of ours asks Open edX while the rows are made.
    environment = child_environment(database_url, f"http://{HOST}:{OPENEDX_PORT}")
    answer = ask_django(children, f"prepare(reset={reset})", environment)
    return Prepared(
        credentials=Credentials(**answer["credentials"]),
        deleted=answer["deleted"],
        other_runs=answer["other_runs"],
    )


def start_servers(children: Children, database_url: str) -> Site:
    """Start the simulated Open edX and the web server, and return once both answer."""
    with ports_locked():
        web_port, openedx_port = find_free_port(WEB_PORT), find_free_port(OPENEDX_PORT)
        web_url, openedx_url = f"http://{HOST}:{web_port}", f"http://{HOST}:{openedx_port}"
        environment = child_environment(database_url, openedx_url)
        openedx = children.start(
            "The simulated Open edX",
            (
                sys.executable,
                "-m",
                "tools.simulator",
                "--file",
                OPENEDX_FILE,
                "--port",
                str(openedx_port),
            ),
            environment,
            OWN_FOLDER / f"openedx-{openedx_port}.log",
        )
        granian, *options = GRANIAN.split()
        web = children.start(
            "The web server",
            (BINARIES / granian, *options, "--host", HOST, "--port", str(web_port)),
            environment,
            OWN_FOLDER / f"web-{web_port}.log",
        )
        children.wait_until_it_answers(openedx, f"{openedx_url}/simulator/fault")
        children.wait_until_it_answers(web, web_url + WEBHOOK_PATH)
    return Site(web_url, openedx_url, environment, (openedx, web))


def start_worker(children: Children, site: Site) -> Program:
    """Start what works on the held requests, and does the periodic work; there is no broker."""
    return children.start(
        "The worker",
        (*MANAGE, "process_certificate_requests", "--watch"),
        site.environment,
        OWN_FOLDER / f"worker-{urlsplit(site.web_url).port}.log",
    )


@contextmanager
def folder_locked() -> Iterator[None]:
    """Let no other demo prepare or tell its story on the same data for the block."""
    OWN_FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(
        OWN_FOLDER / "demo.lock",
        before_waiting=lambda: say("Another demo runs on the same data; waiting for its end."),
    ):
        yield


def say_where(site: Site) -> None:
    """Write the servers' addresses and what they say."""
    for name, url, port in (
        ("Simulated Open edX", site.openedx_url, OPENEDX_PORT),
        ("Web server", f"{site.web_url} (granian)", WEB_PORT),
    ):
        taken = "" if f":{port}" in url else f"; port {port} is taken"
        fact(name, f"{url}{taken}")
    fact("Logs", f"{shown(OWN_FOLDER)}/*.log")


def shown(path: Path) -> str:
    """Return a path as a person in the checkout would write it."""
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
