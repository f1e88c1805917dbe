import os
import sys
import time
from contextlib import suppress

import psutil
import pytest

from tools.demo.children import Children, Interruption
from tools.demo.failure import DemoFailed
from tools.demo.surroundings import HOST, find_free_port

PATIENCE_SECONDS = 5


def test_a_program_that_dies_early_is_named_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "print('no room'); raise SystemExit(3)"]
    with Children(Interruption()) as children:
        child = children.start("The web server", command, {}, tmp_path / "web.log")

        with pytest.raises(DemoFailed, match=r"(?s)The web server ended with status 3.*no room"):
            children.wait_until_it_answers(child, f"http://{HOST}:{find_free_port(41_000)}/")


def test_a_program_that_ignores_the_end_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.processes.STOP_SECONDS", 0.2)
    command = ["/bin/sh", "-c", "trap '' TERM; echo ready; sleep 60 & sleep 60"]
    with Children(Interruption()) as children:
        child = children.start("A program", command, {}, tmp_path / "log")
        while not child.log.read_text():
            time.sleep(0.01)

    deadline = time.monotonic() + PATIENCE_SECONDS
    while find_running(child.process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert find_running(child.process.pid) == []


def test_one_program_can_be_ended_before_the_others(tmp_path):
    with Children(Interruption()) as children:
        first, second = (
            children.start(name, ["/bin/sleep", "60"], {}, tmp_path / name)
            for name in ("first", "second")
        )

        children.end(first)

        assert not first.is_running
        assert second.is_running


def find_running(group):
    """Return the processes of a group but for those that wait to be reaped by the system."""

    def find():
        for process in psutil.process_iter():
            with suppress(ProcessLookupError, psutil.Error):
                if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    return list(find())
