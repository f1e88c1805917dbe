"""The files in which the processes of a site keep their counts, in a folder that they share.

A process counts in a pair of files that no other has; which pair, a lock says. The pair of a process
that has ended, however it ended, is taken up by the next, and its counts go on from there:
nothing that was counted is lost, and there are never more files than processes that lived at once.

Counting is never worth a request. While the folder is full, read-only, damaged or gone, the counts
are lost and nothing else; once it is well again, the next count is kept.

prometheus_client names a process's files by its number. Containers that share a folder have the same
numbers, and each command that cron starts would leave two files for ever: hence the locks.
"""

import errno
import fcntl
import logging
import os
import struct
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from io import BufferedRandom
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

log = logging.getLogger(__name__)

# The number of a pair that keeps nothing.
_NOWHERE: Final = -1
# prometheus_client's: how many bytes of the file are used, and padding.
_HEADER: Final = struct.Struct("ixxxx")


def share(folder: str) -> None:
    """Have this process, and those it forks, count in files of the folder, from the first count on.

    Never raises. While the folder is of no use nothing is counted; the log says so once a process.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    values.MmapedDict = _File  # type: ignore[attr-defined,assignment]

    class Value(values.MultiProcessValue(_Pair(Path(folder)).find)):  # type: ignore[misc]
        def inc(self, amount: float) -> None:
            super().inc(amount)
            # Not before its lock is free: a log line that is dropped is counted, too.
            _trouble.tell()

    values.ValueClass = Value


def is_usable(folder: str) -> bool:
    """Whether it is a folder, and files can be made in it."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class SharedCounts(Collector):
    """What all processes have counted, added up. A file that is damaged is left out."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def collect(self) -> Iterable[Metric]:
        metrics: dict[str, Metric] = {}
        sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for file in sorted(self._folder.glob("*.db")):
            try:
                in_file = _read(file)
            except Exception as error:  # noqa: BLE001 - bytes that are no counts fail in any way
                _tell_of_damage(str(file), type(error).__name__)
                continue
            for metric in in_file:
                metrics[metric.name] = metric
                series = sums.setdefault(metric.name, defaultdict(float))
                for sample in metric.samples:
                    series[sample.name, tuple(sample.labels.items())] += sample.value
        for name, metric in metrics.items():
            metric.samples = [
                Sample(series, dict(labels), value)
                for (series, labels), value in sums[name].items()
            ]
        return metrics.values()


class _Trouble:
    """What keeps this process from counting; the log is told once."""

    def __init__(self) -> None:
        self._error: OSError | None = None
        self._is_told = False

    def note(self, error: OSError) -> None:
        self._error = error

    def tell(self) -> None:
        if self._error is not None and not self._is_told:
            self._is_told = True
            fields = {"error": type(self._error).__name__, "reason": self._error.strerror}
            log.error("metrics are not counted in this process", extra=fields)


_trouble: Final = _Trouble()


class _Pair:
    """The pair of files of the process that asks, by its number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner: int | None = None
        self._number = _NOWHERE
        self._lock: BufferedRandom | None = None

    def find(self) -> int:
        """Return the number. Asked at each count: a process that was forked takes a pair of its own.

        So does one with an emptied folder. Never raises: without a pair the number is _NOWHERE.
        """
        try:
            if not self._is_held():
                self._number, self._lock = self._take()
                self._owner = os.getpid()
        except OSError as error:
            self._number, self._lock = _NOWHERE, None
            _trouble.note(error)
        return self._number

    def _is_held(self) -> bool:
        if self._lock is None or self._owner != os.getpid():
            return False
        return os.fstat(self._lock.fileno()).st_nlink > 0

    def _take(self) -> tuple[int, BufferedRandom]:
        for number in count():
            path = self._folder / f"{number}.lock"
            try:
                lock = path.open("a+b")
            except PermissionError:
                # Another user's, such as root's, after a command by hand.
                if path.exists():
                    continue
                raise
            try:
                # Of the process and not of the open file: a child does not inherit it, and it is
                # free in the moment its holder is gone.
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return number, lock
        raise AssertionError("there is always a next number")


class _File(MmapedDict):
    """One file of a pair, in prometheus_client's format. The whole of it is also in memory.

    The library maps it, and a mapped file ends the process when it is truncated, or its disk full.
    """

    def __init__(self, filename: str) -> None:
        """Go on from what the file holds; start again if that is damaged."""
        self._path = os.devnull if filename.endswith(f"_{_NOWHERE}.db") else filename
        # What the library asks for, to close the file and to make it larger.
        self._f = None  # type: ignore[assignment]
        self._capacity = sys.maxsize
        file = Path(self._path)
        content = _HEADER.pack(_HEADER.size)
        # Damage is told of on reading: no line may be logged here, since a line that is dropped
        # is counted, and the library holds the lock of all counts.
        with suppress(Exception):
            if _read(file):
                content = file.read_bytes()
        (self._used,) = _HEADER.unpack_from(content)
        self._m = bytearray(content[: self._used])  # type: ignore[assignment]
        self._positions = {key: place for key, _, _, place in self._read_all_values()}

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        super().write_value(key, value, timestamp)
        self._save()

    def _init_value(self, key: str) -> None:
        super()._init_value(key)
        self._save()

    def _save(self) -> None:
        """Write all of it, by its name: it may have been truncated or deleted meanwhile."""
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                counts = self._m[_HEADER.size :]
                if os.pwrite(file, counts, _HEADER.size) < len(counts):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                # Last: a reader must find no fewer bytes than this says.
                os.pwrite(file, self._m[: _HEADER.size], 0)
            finally:
                os.close(file)
        except OSError as error:
            _trouble.note(error)


def _read(file: Path) -> list[Metric]:
    """Return what a file holds; raises anything if it is damaged."""
    try:
        # Size 0: it was just made, or its disk was full.
        return list(MultiProcessCollector.merge([str(file)])) if file.stat().st_size else []
    except FileNotFoundError:
        return []


@cache
def _tell_of_damage(file: str, error: str) -> None:
    log.error("a file of metrics is damaged", extra={"file": file, "error": error})
