"""The files in which the processes of a site keep their counts, in a folder that they share.

A process counts in a pair of files that no other has; which pair, a lock says. The pair of a process
that has ended, however it ended, is taken up by the next, and its counts go on from where they were:
nothing that was counted is lost, and there are never more files than processes that lived at once.
"""

import fcntl
import os
import tempfile
from io import BufferedRandom
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client import values

_KINDS: Final = ("counter", "histogram")
# What prometheus_client makes its files, in bytes; ours need a quarter of it.
_SIZE: Final = 1 << 16


def share(folder: str) -> None:
    """Have this process, and those it forks, count in files of the folder.

    Before the first metric is made; prometheus_client has it in the environment. Does nothing where
    the folder is of no use, which a system check reports.
    """
    if not is_usable(folder):
        return
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    values.ValueClass = values.MultiProcessValue(_Pair(Path(folder)).find)


def is_usable(folder: str) -> bool:
    """Whether it is a folder, and files can be made in it."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class _Pair:
    """The pair of files of the process that asks, by its number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner: int | None = None
        self._number = -1
        self._lock: BufferedRandom

    def find(self) -> int:
        """Return the number. Asked at each count: a process that was forked takes a pair of its own.

        Raises OSError where none can be had.
        """
        if self._owner != os.getpid():
            self._number, self._lock = self._take()
            self._owner = os.getpid()
        return self._number

    def _take(self) -> tuple[int, BufferedRandom]:
        for number in count():
            path = self._folder / f"{number}.lock"
            try:
                lock = path.open("a+b")
            except PermissionError:
                # Another user's, such as root's who ran a command by hand.
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
            for kind in _KINDS:
                self._reserve(self._folder / f"{kind}_{number}.db")
            return number, lock
        raise AssertionError("there is always a next number")

    @staticmethod
    def _reserve(file: Path) -> None:
        # A disk that is full fails here, and does not end the process at some later count: the
        # library maps files that have holes.
        with file.open("ab") as opened:
            os.posix_fallocate(opened.fileno(), 0, _SIZE)
