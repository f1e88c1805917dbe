"""A stand-in for Open edX, to try things with. The product never imports it."""

from openedx.simulator.courses import Courses, Learner, SimulatedCourse
from openedx.simulator.courses_file import load_courses
from openedx.simulator.exceptions import (
    CoursesFileError,
    FaultError,
    LearnerFieldError,
    SimulatorError,
    UnknownLearnerError,
)
from openedx.simulator.faults import FAULT_PLACES, FAULT_WORDS, Fault
from openedx.simulator.plugin import Attempt, Plugin
from openedx.simulator.received import ReceivedRequest
from openedx.simulator.server import SimulatedOpenEdx

__all__ = [
    "FAULT_PLACES",
    "FAULT_WORDS",
    "Attempt",
    "Courses",
    "CoursesFileError",
    "Fault",
    "FaultError",
    "Learner",
    "LearnerFieldError",
    "Plugin",
    "ReceivedRequest",
    "SimulatedCourse",
    "SimulatedOpenEdx",
    "SimulatorError",
    "UnknownLearnerError",
    "load_courses",
]
