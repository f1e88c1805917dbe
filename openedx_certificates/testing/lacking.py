"""For tests: a process that has run out of something."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_file_descriptors() -> Iterator[None]:
    """Let the process open no file and no socket; those that are open go on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The three that every process has: at a limit of 0 poll() would fail as well.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
