"""The counts of several processes, in the folder they share: real processes, and real ends."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

NOBODY = 65_534
ROOT = Path(__file__).resolve().parent.parent

# Counts events when it is told to, in a process of its own or in a child of that.
PROCESS = """
import os, sys
from main import metric_files
metric_files.share(sys.argv[1])
from openedx.metrics import count_event
if len(sys.argv) > 2:
    # All is imported by now, which that user may not read.
    os.seteuid(int(sys.argv[2]))

def count(times):
    for _ in range(times):
        count_event("certificate", "created", 0.02)

for line in sys.stdin:
    act, times = line.split()
    if act == "count":
        count(int(times))
    elif os.fork() == 0:
        count(int(times))
        os._exit(0)
    else:
        os.wait()
    print("done", flush=True)
"""


class Process:
    """A process that counts, in a folder."""

    def __init__(self, folder: Path, *, user: int | None = None) -> None:
        arguments = [str(folder)] if user is None else [str(folder), str(user)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def count(self, times: int, act: str = "count") -> None:
        """Count so many events, and return when they are counted."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(act, times, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "done\n"

    def end(self, number: int = signal.SIGTERM) -> None:
        """End by a signal."""
        self._process.send_signal(number)
        self._process.communicate()


def read(folder: Path, name: str = "events_total", **labels: str) -> float | None:
    """Return the sum over all processes, as /metrics adds it up."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    labels = labels or {"webhook": "certificate", "outcome": "created"}
    return registry.get_sample_value(f"mitxonline_certificate_{name}", labels)


def test_the_counts_of_all_processes_are_added_up(tmp_path: Path):
    one, other = Process(tmp_path), Process(tmp_path)

    # By turns: each has its own number in mind.
    one.count(1)
    other.count(4)
    one.count(2)

    assert read(tmp_path) == 7
    assert read(tmp_path, "event_seconds_count", webhook="certificate") == 7
    assert read(tmp_path, "event_seconds_bucket", webhook="certificate", le="0.025") == 7
    one.end()
    other.end()


def test_what_a_killed_process_counted_stays_and_the_next_goes_on_from_there(tmp_path: Path):
    killed = Process(tmp_path)
    killed.count(3)
    killed.end(signal.SIGKILL)
    assert read(tmp_path) == 3

    following = Process(tmp_path)
    following.count(4)

    assert read(tmp_path) == 7
    following.end()


def test_a_forked_process_counts_for_itself(tmp_path: Path):
    parent = Process(tmp_path)
    parent.count(1)

    parent.count(2, act="fork")
    parent.count(4)

    assert read(tmp_path) == 7
    parent.end()


def test_processes_that_come_and_go_leave_no_more_files_than_lived_at_once(tmp_path: Path):
    lasting = Process(tmp_path)
    lasting.count(1)
    for _ in range(3):
        passing = Process(tmp_path)
        passing.count(1)
        passing.end()

    assert len(list(tmp_path.glob("counter_*.db"))) == 2
    assert len(list(tmp_path.iterdir())) == 6
    assert read(tmp_path) == 4
    lasting.end()


def test_who_may_not_touch_anothers_files_takes_others():
    # Not below pytest's folder, which is its user's alone.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "0.lock").touch(mode=0o000)
        process = Process(folder, user=NOBODY if os.geteuid() == 0 else None)

        # A child takes files of its own.
        process.count(3, "fork")

        assert read(folder) == 3
        process.end()


def test_many_that_start_at_once_take_different_files(tmp_path: Path):
    crowd = [Process(tmp_path) for _ in range(6)]

    for times in (2, 3):
        for process in crowd:
            process.count(times)

    assert read(tmp_path) == 30
    for process in crowd:
        process.end()
