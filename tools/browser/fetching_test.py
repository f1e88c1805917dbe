"""A machine without a browser, and stand-ins for the programs that fetch one."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tools.browser.finding import MAC_APPLICATIONS

CHECKOUT = Path(__file__).resolve().parents[2]
# A browser is what answers --version.
A_BROWSER = "#!/bin/sh\nexit 0\n"
FAILS = "#!/bin/sh\necho 'The network is down.'\nexit 100\n"


class Machine:
    """The PATH of a machine with nothing installed but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sh", "cat", "chmod"):
            (folder / name).symlink_to(next(Path("/bin").glob(name)))

    def install(self, name: str, script: str) -> Path:
        path = self.folder / name
        path.write_text(script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def ensure_browser(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tools.browser"],
            check=False,
            cwd=CHECKOUT,
            env={
                "PATH": str(self.folder),
                # The folder that Playwright would fetch to; nothing listens at the address it would fetch from.
                "PLAYWRIGHT_BROWSERS_PATH": str(self.folder / "playwright"),
                "PLAYWRIGHT_DOWNLOAD_HOST": "http://127.0.0.1:1",
                "PLAYWRIGHT_SKIP_BROWSER_GC": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without a browser."""
    return Machine(tmp_path / "bin")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
off_the_path = any(Path(path).exists() for path in MAC_APPLICATIONS)
pytestmark = pytest.mark.skipif(off_the_path, reason="this Mac's browser can't be hidden")


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_the_machines_own_browser_is_taken(machine: Machine, name):
    path = machine.install(name, A_BROWSER)

    ensured = machine.ensure_browser()

    assert (ensured.returncode, ensured.stderr) == (0, f"The tests look at pages with {path}.\n")


def test_one_that_does_not_start_is_passed_over(machine: Machine):
    machine.install("chromium", FAILS)
    path = machine.install("google-chrome", A_BROWSER)

    assert f"with {path}." in machine.ensure_browser().stderr


@as_root
def test_root_on_debian_installs_the_systems_package(machine: Machine):
    path = machine.folder / "chromium"
    machine.install(
        "apt-get",
        f"""#!/bin/sh
echo "$@" >> {machine.folder}/asked
case "$*" in *install*) echo '#!/bin/sh' > {path}; chmod +x {path};; esac
""",
    )

    ensured = machine.ensure_browser()

    asked = (machine.folder / "asked").read_text().splitlines()
    assert [line.split("=120 ")[1] for line in asked] == [
        "update",
        "install --no-install-recommends chromium",
    ]
    assert ensured.returncode == 0
    assert "No Chromium here: apt-get fetches one for the tests" in ensured.stderr
    assert f"with {path}." in ensured.stderr


def test_where_none_can_be_had_it_says_why_and_what_to_do(machine: Machine):
    machine.install("apt-get", FAILS)

    ensured = machine.ensure_browser()

    assert ensured.returncode == 1
    assert "There is no Chromium here, and none could be fetched." in ensured.stderr
    assert "Playwright: " in ensured.stderr
    assert (
        "Install Chromium or Chrome, so that it is on the PATH; or set NO_BROWSER=1"
        in ensured.stderr
    )
    assert "Traceback" not in ensured.stderr
    if os.geteuid() == 0:
        assert "apt-get: The network is down." in ensured.stderr


def test_who_wants_none_gets_none(machine: Machine):
    ensured = machine.ensure_browser(NO_BROWSER="1")

    assert (ensured.returncode, ensured.stderr) == (
        0,
        "NO_BROWSER is set: the tests that look at pages are left out.\n",
    )


@pytest.mark.parametrize(
    ("environment", "status", "words"),
    [
        ({}, 1, "There is no Chromium here. `make browser` fetches one."),
        ({"NO_BROWSER": "1"}, 0, "NO_BROWSER is set"),
    ],
    ids=["missing", "unwanted"],
)
def test_without_a_browser_a_test_fails_unless_none_is_wanted(
    machine: Machine, environment, status, words
):
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs"),
            "tools/browser/window_test.py::test_axe_finds_nothing_on_a_page_in_order",
        ],
        check=False,
        cwd=CHECKOUT,
        env={
            "PATH": str(machine.folder),
            "PLAYWRIGHT_BROWSERS_PATH": str(machine.folder / "playwright"),
            # The test needs no database; none is there.
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ran.returncode == status, ran.stdout
    assert words in ran.stdout
