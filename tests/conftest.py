"""Settings for all tests."""

import os

from hypothesis import settings

# No time limit on an example: a busy machine is not a failure. In CI the examples are the same in each run.
settings.register_profile("steady", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("steady")
