"""The control API, ``/simulator/fault``: tells a stand-in in another process how to fail.

It asks for no token: for a developer's machine only.
"""

import json
from dataclasses import asdict
from typing import Final

from tools.simulator.exceptions import SimulatorError
from tools.simulator.faults import Fault, FaultBoard
from tools.simulator.replies import Reply

CONTROL_PATH: Final = "/simulator/"


class ControlApi:
    """Shows, puts and lifts the faults in force."""

    def __init__(self, faults: FaultBoard) -> None:
        self._faults = faults

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Do what is asked; a sentence under ``error`` says what cannot be done."""
        try:
            match method, path.removeprefix(CONTROL_PATH):
                case "GET", "fault":
                    pass
                case "PUT", "fault":
                    content = json.loads(body)
                    items = content if isinstance(content, list) else [content]
                    self._faults.replace(*map(Fault.from_json, items))
                case "DELETE", "fault":
                    self._faults.replace()
                case _:
                    return Reply.of_json({"error": f"Nothing answers {method} {path}."}, 404)
        except SimulatorError as error:
            return Reply.of_json({"error": str(error)}, 400)
        except ValueError:
            return Reply.of_json({"error": "The body is no JSON."}, 400)
        return Reply.of_json(
            [
                asdict(active.fault) | {"remaining": active.remaining}
                for active in self._faults.current()
            ]
        )
