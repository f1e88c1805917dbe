"""Sets the clock of the Python that starts forward, by CLOCK_AHEAD_SECONDS; it goes on from there."""

import os
from datetime import timedelta

import time_machine

time_machine.travel(timedelta(seconds=float(os.environ["CLOCK_AHEAD_SECONDS"]))).start()
