"""How a Resource is started, stopped and probed: one file per convention, for the worker process alone."""
