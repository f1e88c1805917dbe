"""The counts of several processes, in the folder they share: real processes, and real ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from main.metric_files import SharedCounts

NOBODY = 65_534
ROOT = Path(__file__).resolve().parent.parent

# Counts events when it is told to, in a process of its own or in a child of that.
PROCESS = """
import os, sys
from main import metric_files
metric_files.share(sys.argv[1])
from openedx_certificates.instruments import count_event
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
            stderr=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def count(self, times: int, act: str = "count") -> None:
        """Count so many events, and return when they are counted."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(act, times, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "done\n"

    def end(self, number: int = signal.SIGTERM) -> str:
        """End by a signal; return what was said on standard error."""
        self._process.send_signal(number)
        return self._process.communicate()[1]


def read(folder: Path, name: str = "events_total", **labels: str) -> float | None:
    """Return the sum over all processes, as /metrics adds it up."""
    registry = CollectorRegistry()
    registry.register(SharedCounts(str(folder)))
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


NOT_COUNTED = "metrics are not counted in this process\n"


class TestTrouble:
    def test_on_a_full_disk_nothing_is_counted_until_there_is_room(self, tmp_path: Path):
        files = [tmp_path / "counter_0.db", tmp_path / "histogram_0.db"]
        for file in files:
            file.symlink_to("/dev/full")
        process = Process(tmp_path)

        process.count(3)
        assert read(tmp_path) is None
        for file in files:
            file.unlink()
        process.count(1)

        # The process itself has them all in mind.
        assert read(tmp_path) == read(tmp_path, "event_seconds_count", webhook="certificate") == 4
        assert process.end() == NOT_COUNTED

    def test_a_folder_that_is_removed_ends_neither_who_counts_nor_who_starts(self, tmp_path: Path):
        folder = tmp_path / "metrics"
        folder.mkdir()
        healthy = Process(folder)
        healthy.count(1)

        shutil.rmtree(folder)
        healthy.count(2)
        started = Process(folder)
        started.count(4)
        healthy.count(8, act="fork")
        assert read(folder) is None
        folder.mkdir()
        for process in (healthy, started):
            process.count(16)

        assert read(folder) == 32
        for process in (healthy, started):
            assert process.end() == NOT_COUNTED

    def test_a_folder_in_which_no_file_can_be_made_ends_nobody(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o555)
            process = Process(folder, user=NOBODY if os.geteuid() == 0 else None)

            # A child takes files of its own.
            process.count(3, "fork")
            assert read(folder) is None
            folder.chmod(0o777)
            process.count(4, "fork")

            assert read(folder) == 4
            assert process.end() == NOT_COUNTED

    @pytest.mark.parametrize("size", [0, 3, 100, 2000])
    def test_files_truncated_in_a_running_process_are_written_again(
        self, tmp_path: Path, size: int
    ):
        process = Process(tmp_path)
        process.count(3)

        for file in tmp_path.glob("*.db"):
            os.truncate(file, min(size, file.stat().st_size - 1))
        process.count(4)

        assert read(tmp_path) == read(tmp_path, "event_seconds_count", webhook="certificate") == 7
        assert process.end() == ""

    @pytest.mark.parametrize(
        ("content", "tellings"),
        [
            pytest.param(b"\1", 1, id="a byte"),
            pytest.param(b"no counts at all", 1, id="text"),
            pytest.param(b"\x40\0\0\0" + b"\0" * 60, 1, id="holes"),
            # These say that they hold nothing, as one does that is just being written.
            pytest.param(b"\0" * 5000, 0, id="zeros"),
            pytest.param(b"\xff" * 5000, 0, id="ones"),
        ],
    )
    def test_a_damaged_file_is_left_out_and_begun_again_by_the_next(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, tellings: int
    ):
        one = Process(tmp_path)
        one.count(1)
        other = Process(tmp_path)
        other.count(2)
        one.end()
        damaged = tmp_path / "counter_0.db"
        damaged.write_bytes(content)

        assert read(tmp_path) == read(tmp_path) == 2
        following = Process(tmp_path)
        following.count(4)

        assert read(tmp_path) == 6
        told = [record for record in caplog.records if record.name == "main.metric_files"]
        assert [(record.getMessage(), vars(record)["file"]) for record in told] == [
            ("a file of metrics is damaged", str(damaged))
        ] * tellings
        other.end()
        following.end()
