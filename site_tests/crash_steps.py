"""The steps of an event's path, and how a process is killed at exactly one of them; for tests.

Inside the block the caller sends the process there; at its end the process is dead.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from site_tests.table_lock import locked
from tools.processes import Program
from tools.simulator import SimulatedOpenEdx


@dataclass(frozen=True, slots=True)
class Victim:
    """A process that is killed as soon as so many learners have come to the step."""

    program: Program
    comers: int
    openedx: SimulatedOpenEdx

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        self.program.kill()


Step = Callable[[Victim], AbstractContextManager[None]]


@contextmanager
def killed_before_the_commit(victim: Victim) -> Iterator[None]:
    """Kill it before it has stored a request, or has taken one up."""
    with locked("openedx_certificates_certificaterequest") as standstill:
        yield
        standstill.wait_for(victim.comers)
        victim.kill()
        standstill.end_orphans()


@contextmanager
def killed_as_it_commits(victim: Victim) -> Iterator[None]:
    """Kill it when PostgreSQL goes on to store what the dead process wanted."""
    with locked("openedx_certificates_certificaterequest") as standstill:
        yield
        standstill.wait_for(victim.comers)
        victim.kill()
        standstill.let_orphans_go_on()


@contextmanager
def killed_before_the_question(victim: Victim) -> Iterator[None]:
    """Kill it behind the commit: it can't find out by what name Open edX knows the learner."""
    with locked("openedx_openedxuser", for_readers=True) as standstill:
        yield
        standstill.wait_for(victim.comers)
        victim.kill()
        standstill.end_orphans()


@contextmanager
def killed_during_the_question(victim: Victim) -> Iterator[None]:
    """Kill it while Open edX is silent."""
    victim.openedx.clear_requests()
    victim.openedx.set_fault("hang")
    yield
    victim.openedx.wait_for_requests(victim.comers)
    victim.kill()
    victim.openedx.clear_fault()


@contextmanager
def killed_between_grade_and_certificate(victim: Victim) -> Iterator[None]:
    """Kill it when the grade is stored, in the transaction that the certificate comes in too."""
    with locked("courses_courseruncertificate") as standstill:
        yield
        standstill.wait_for(victim.comers)
        victim.kill()
        standstill.let_orphans_go_on()


@contextmanager
def killed_before_settling(victim: Victim) -> Iterator[None]:
    """Kill it when the certificate is there and its request is open."""
    victim.openedx.clear_requests()
    victim.openedx.set_fault("hang")
    yield
    victim.openedx.wait_for_requests(victim.comers)
    # Only now: the same table is written to before the question.
    with locked("openedx_certificates_certificaterequest") as standstill:
        victim.openedx.clear_fault()
        standstill.wait_for(victim.comers)
        victim.kill()
        standstill.end_orphans()
