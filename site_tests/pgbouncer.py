"""A real PgBouncer before the tests' database, set up as docs/pgbouncer.md says; for tests."""

import configparser
import os
import re
import shutil
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from django.conf import settings

from tools.processes import Program, find_free_port, start_program, wait_until

_PAGE: Final = settings.BASE_DIR / "docs" / "pgbouncer.md"
_ROLE_OF_THE_PAGE: Final = "mitxonline"
# Debian's package has it in a folder that is not in a plain user's PATH.
_FOLDERS: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


def find_pgbouncer() -> str | None:
    """Return the path of the program, None if the machine has none."""
    return shutil.which("pgbouncer", path=_FOLDERS)


def read_role_statements(role: str) -> list[str]:
    """Return the page's statements for PostgreSQL, for a role of the test's own."""
    statements = re.findall(
        rf"^    (ALTER ROLE {_ROLE_OF_THE_PAGE} .*;)$", _PAGE.read_text(), re.MULTILINE
    )
    return [statement.replace(f" {_ROLE_OF_THE_PAGE} ", f" {role} ", 1) for statement in statements]


class PgBouncer:
    """Used as a context manager; a client of `url` is the role, at the database given."""

    def __init__(self, database: dict[str, Any], role: str, password: str, folder: Path) -> None:
        self._database = database
        self._role = role
        self._password = password
        self._folder = folder
        self._log = folder / "pgbouncer.log"
        self._program: Program | None = None
        self._port = find_free_port()
        self.url = f"postgres://{role}:{password}@127.0.0.1:{self._port}/{_ROLE_OF_THE_PAGE}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, **changes: str) -> None:
        """Start it with the page's configuration and with changes; return once it can be asked."""
        command = [find_pgbouncer() or "pgbouncer", str(self._write(changes))]
        if os.geteuid() == 0:
            # It refuses to be root's.
            command[1:1] = ["-u", "nobody"]
        program = self._program = start_program("PgBouncer", command, os.environ, self._log)
        wait_until(lambda: self._answers() or not program.is_running, lambda: program.words)
        if not program.is_running:
            raise RuntimeError(program.words)

    def stop(self) -> None:
        """End it, and with it all sessions that it has."""
        if self._program is not None:
            self._program.kill()

    def _write(self, changes: dict[str, str]) -> Path:
        users = self._folder / "userlist.txt"
        users.write_text(f'"{self._role}" "{self._password}"\n')
        page = configparser.ConfigParser(interpolation=None)
        _, _, rest = _PAGE.read_text().partition("\n    [databases]\n")
        page.read_string(textwrap.dedent("    [databases]\n" + rest.partition("\n`")[0]))
        page["databases"][_ROLE_OF_THE_PAGE] = "host={HOST} port={PORT} dbname={NAME}".format(
            **self._database
        )
        page["pgbouncer"].update(
            # Debian's default is a folder that may not be there.
            listen_port=str(self._port),
            auth_file=str(users),
            unix_socket_dir="",
            **changes,
        )
        path = self._folder / "pgbouncer.ini"
        with path.open("w") as file:
            page.write(file)
        return path

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True
