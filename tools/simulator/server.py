"""A stand-in for Open edX, to try things with: in process, or on its own with a control API."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tools.simulator.control import ControlApi
from tools.simulator.courses import Courses, Learner, SimulatedCourse
from tools.simulator.courses_file import load_courses
from tools.simulator.faults import Fault, FaultBoard
from tools.simulator.grades import GradesApi
from tools.simulator.handler import OpenEdxHttpServer, Site
from tools.simulator.received import ReceivedRequest, RequestLog

# How soon a stop is noticed while no request comes.
_POLL_SECONDS: Final = 0.02


class SimulatedOpenEdx:
    """Answers as Open edX does between ``start`` and ``stop``, or inside a ``with``.

    The control API under ``/simulator/`` needs no token: this is for a developer's machine only,
    and listens on the loopback interface by default.

    ``port`` 0 takes a free one, and keeps it when started again. ``token`` blank: none is needed.
    ``bare_list``: a whole course in one list, as old releases answer.
    ``keep_requests``: how many of the latest requests are remembered; all are counted.
    """

    def __init__(
        self,
        courses: Courses | Iterable[SimulatedCourse] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        bare_list: bool = False,
        keep_requests: int = 10_000,
        access_log: Callable[[str], None] | None = None,
    ) -> None:
        self.courses = courses if isinstance(courses, Courses) else Courses(courses)
        self.token = token
        self._host = host
        self._port = port
        self._faults = FaultBoard()
        self._log = RequestLog(keep_requests)
        self._site = Site(
            grades=GradesApi(self.courses, token=token, bare_list=bare_list),
            control=ControlApi(self._faults),
            faults=self._faults,
            log=self._log,
            stopping=threading.Event(),
            write_access_log=access_log,
        )
        self._server: OpenEdxHttpServer | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def from_file(cls, path: Path | str, **options: Any) -> Self:
        """Read the courses from a file; raises CoursesFileError."""
        return cls(load_courses(path), **options)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The origin it listens on, without a slash at the end. Known once it was started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Listen, and answer in threads; raises OSError when the port is taken."""
        if self._server is not None:
            return
        self._site.stopping.clear()
        self._server = OpenEdxHttpServer(self._host, self._port, self._site)
        self._port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Cut every connection, lift every fault and free the port; safe to repeat.

        What was recorded stays, and ``start`` listens on the same port again.
        """
        if self._server is None or self._thread is None:
            return
        self._site.stopping.set()
        self._faults.replace()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()
        self._server = self._thread = None

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests to the API so far, oldest first; those to the control API are not noted."""
        return self._log.as_list()

    @property
    def request_count(self) -> int:
        """How many requests came, those that are no longer remembered included."""
        return self._log.count

    def clear_requests(self) -> None:
        """Forget the requests and count from zero."""
        self._log.clear()

    def wait_for_requests(self, count: int, timeout_seconds: float = 60.0) -> None:
        """Return once so many requests have come, answered or not; raises TimeoutError."""
        self._log.wait_for(count, timeout_seconds)

    def set_fault(self, *faults: Fault | str) -> None:
        """Fail like this from now on, and no longer in any earlier way.

        Of several faults the first that meets an answer, and is not used up, counts:
        ``set_fault(Fault("503", count=1), Fault("hang", count=1))`` fails once each way.
        """
        self._faults.replace(
            *(Fault.parse(fault) if isinstance(fault, str) else fault for fault in faults)
        )

    def clear_fault(self) -> None:
        """Answer rightly again; what hangs or drips is answered now."""
        self._faults.replace()

    def set_grade(self, course_id: str, username: str, /, **fields: Any) -> Learner:
        """Change a grade; see ``Courses.set_grade``."""
        return self.courses.set_grade(course_id, username, **fields)

    def enroll(self, course_id: str, username: str, /, email: str = "", **fields: Any) -> Learner:
        """Enroll a learner; see ``Courses.enroll``."""
        return self.courses.enroll(course_id, username, email, **fields)

    def unenroll(self, course_id: str, username: str, /) -> Learner:
        """End an enrollment; see ``Courses.unenroll``."""
        return self.courses.unenroll(course_id, username)
