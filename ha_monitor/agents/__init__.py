"""Resources: one file for each convention of starting, stopping and probing a service."""
