"""Starts production's programs as processes of their own, and kills them; for tests."""

import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

import requests
from django.conf import settings

from tools.processes import PATIENCE_SECONDS, Program, find_free_port, start_program, wait_until

WEBHOOK_PATH = "/api/openedx_webhook/certificate/"
PROCFILE = settings.BASE_DIR / "Procfile"


def read_procfile() -> dict[str, str]:
    """Return the commands of the site's programs, by their names."""
    lines = PROCFILE.read_text().splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}


@dataclass(frozen=True)
class WebServer(Program):
    """A running web server, and the way in."""

    url: str
    token: str

    @property
    def webhook(self) -> str:
        """The address the plugin sends its events to."""
        return self.url + WEBHOOK_PATH

    def post(self, event: object) -> requests.Response | None:
        """Send an event, and return the answer; None if the server died before there was one."""
        try:
            return requests.post(
                self.webhook,
                json=event,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=PATIENCE_SECONDS,
            )
        except requests.ConnectionError:
            return None

    def wait_until_it_answers(self) -> None:
        """Return once it does; raise RuntimeError if it ends instead."""
        # The port opens when a worker is ready.
        wait_until(lambda: self.post({}) is not None or not self.is_running, lambda: self.words)
        if not self.is_running:
            raise RuntimeError(f"The web server has ended:\n{self.words}")


def is_open(port: int) -> bool:
    """Whether something listens on the port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Programs:
    """Starts programs with one environment; what still runs at the end of the block is killed."""

    def __init__(self, environment: Mapping[str, str], token: str, folder: Path) -> None:
        self.environment = dict(environment)
        self.token = token
        self._folder = folder
        self._started: list[Program] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for program in self._started:
            program.kill()

    def start_web_server(
        self, *, workers: int = 1, stderr: int = subprocess.STDOUT, **environment: str
    ) -> WebServer:
        """Serve the site by a small granian, and return once it answers.

        Args:
            workers: its processes.
            stderr: a descriptor for what it says on standard error.
        """
        port = find_free_port()
        program = self._start(
            *("granian", "--interface", "wsgi", "main.wsgi:application", "--port", str(port)),
            *("--workers", str(workers), "--blocking-threads", "16"),
            environment=environment,
            stderr=stderr,
        )
        server = self._serving(program, port)
        server.wait_until_it_answers()
        return server

    def start_tls_web_server(self, port: int, certificate: Path, **environment: str) -> Program:
        """Serve the site by HTTPS, and return once the port is open; raise RuntimeError if it ends.

        Args:
            port: of this machine.
            certificate: a file with the server's certificate and its key.
            **environment: of the site.
        """
        program = self._start(
            *("granian", "--interface", "wsgi", "main.wsgi:application", "--port", str(port)),
            *("--ssl-certificate", str(certificate), "--ssl-keyfile", str(certificate)),
            environment=environment,
        )
        wait_until(lambda: is_open(port) or not program.is_running, lambda: program.words)
        if not program.is_running:
            raise RuntimeError(f"The web server has ended:\n{program.words}")
        return program

    def start_web_server_of_procfile(self, **environment: str) -> WebServer:
        """Serve the site as the Procfile says; it may not answer yet on return."""
        port = find_free_port()
        return self._serving(self.start_of_procfile("web", PORT=str(port), **environment), port)

    def start_of_procfile(self, name: str, **environment: str) -> Program:
        """Start a program that the Procfile names, as it says."""
        command = Template(read_procfile()[name]).substitute(environment)
        return self._start(*shlex.split(command), environment=environment)

    def start_worker(self, *options: str, **environment: str) -> Program:
        """Start a Celery worker; what is in the broker's queue waits until it is ready."""
        return self._start(
            *(
                "celery",
                "--app",
                "main.celery",
                "worker",
                "--concurrency",
                "1",
                "--without-mingle",
                *options,
            ),
            environment=environment,
        )

    def start_command(self, *arguments: str, **environment: str) -> Program:
        """Start a command of `manage.py`."""
        return self._start("manage", *arguments, environment=environment)

    def run_command(self, *arguments: str, **environment: str) -> str:
        """Run a command of `manage.py` to its end and return what it said.

        Raises RuntimeError if it fails.
        """
        program = self.start_command(*arguments, **environment)
        if program.wait() != 0:
            raise RuntimeError(f"{arguments} failed:\n{program.words}")
        return program.words

    def _serving(self, program: Program, port: int) -> WebServer:
        return WebServer(
            program.name, program.process, program.log, f"http://127.0.0.1:{port}", self.token
        )

    def _start(
        self, *command: str, environment: Mapping[str, str], stderr: int = subprocess.STDOUT
    ) -> Program:
        log = self._folder / f"{len(self._started)}-{command[0]}.log"
        environment = {
            "DJANGO_SETTINGS_MODULE": "main.settings",
            **self.environment,
            **environment,
        }
        program = start_program(
            command[0], [sys.executable, "-m", *command], environment, log, stderr=stderr
        )
        self._started.append(program)
        return program
