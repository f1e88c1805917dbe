"""The site's settings with others in their place, for programs that the tools and tests start.

SETTINGS, in the environment, has them as JSON.
"""

import json
import os

from main.settings import *  # noqa: F403 - all of them

globals().update(json.loads(os.environ["SETTINGS"]))
