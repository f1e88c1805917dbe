"""The control API under ``/simulator/``: tells a stand-in in another process what to do.

It asks for no token and shows the tokens it has received: for a developer's machine only.
"""

import json
from dataclasses import asdict
from typing import Final
from urllib.parse import unquote

from tools.simulator.courses import Courses
from tools.simulator.exceptions import LearnerFieldError, SimulatorError, UnknownLearnerError
from tools.simulator.faults import Fault, FaultBoard
from tools.simulator.received import RequestLog
from tools.simulator.replies import Reply

CONTROL_PATH: Final = "/simulator/"


class ControlApi:
    """Answers requests for ``/simulator/requests``, ``/simulator/fault`` and the grades."""

    def __init__(self, courses: Courses, faults: FaultBoard, log: RequestLog) -> None:
        self._courses = courses
        self._faults = faults
        self._log = log

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Do what is asked; a sentence under ``error`` says what cannot be done."""
        # Decoded part by part: the slashes of an old course id come encoded.
        parts = [unquote(part) for part in path.removeprefix(CONTROL_PATH).split("/")]
        try:
            match method, parts:
                case "GET", ["requests"]:
                    pass
                case "DELETE", ["requests"]:
                    self._log.clear()
                case "GET", ["fault"]:
                    return self._show_faults()
                case "PUT", ["fault"]:
                    content = json.loads(body)
                    items = content if isinstance(content, list) else [content]
                    self._faults.replace(*map(Fault.from_json, items))
                    return self._show_faults()
                case "DELETE", ["fault"]:
                    self._faults.replace()
                    return self._show_faults()
                case "PUT", ["grades", course_id, username] if course_id and username:
                    return self._put_grade(course_id, username, json.loads(body))
                case _:
                    return Reply.of_json({"error": f"Nothing answers {method} {path}."}, 404)
        except UnknownLearnerError as error:
            return Reply.of_json({"error": f'{error} Add "enrolled": true to enroll them.'}, 404)
        except SimulatorError as error:
            return Reply.of_json({"error": str(error)}, 400)
        except ValueError:
            return Reply.of_json({"error": "The body is no JSON."}, 400)
        return self._show_requests()

    def _show_requests(self) -> Reply:
        requests = [request.as_json() for request in self._log.as_list()]
        return Reply.of_json({"count": self._log.count, "requests": requests})

    def _show_faults(self) -> Reply:
        return Reply.of_json(
            [
                asdict(active.fault) | {"remaining": active.remaining}
                for active in self._faults.current()
            ]
        )

    def _put_grade(self, course_id: str, username: str, fields: object) -> Reply:
        if not isinstance(fields, dict):
            raise LearnerFieldError("The body must be an object.")
        if fields.get("enrolled") is True:
            learner = self._courses.enroll(course_id, username, **fields)
        else:
            learner = self._courses.set_grade(course_id, username, **fields)
        return Reply.of_json(learner.answer(course_id))
