"""A stand-in for Open edX, to try things with. The product never imports it."""

from tools.simulator.courses import Courses, Learner, SimulatedCourse
from tools.simulator.courses_file import load_courses
from tools.simulator.exceptions import (
    CoursesFileError,
    FaultError,
    LearnerFieldError,
    SimulatorError,
    UnknownLearnerError,
)
from tools.simulator.faults import FAULT_PLACES, FAULT_WORDS, Fault
from tools.simulator.plugin import Attempt, Plugin
from tools.simulator.received import ReceivedRequest
from tools.simulator.server import SimulatedOpenEdx

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
