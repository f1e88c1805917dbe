"""What can be wrong with what the stand-in is told: one root, one class per kind."""


class SimulatorError(Exception):
    """The root: catch this to say one sentence to the user of the simulator."""


class CoursesFileError(SimulatorError):
    """The file of courses cannot be used; the text names the file and the place in it."""


class LearnerFieldError(SimulatorError):
    """A learner was given a field that is unknown or of the wrong type."""


class UnknownLearnerError(SimulatorError):
    """A grade was set for someone the course does not know; enroll them first."""


class FaultError(SimulatorError):
    """A fault was described in words that mean nothing here."""
