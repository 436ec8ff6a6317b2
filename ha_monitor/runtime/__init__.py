"""Processes, sockets and signals: guard, core loop, worker, publisher, Witness."""
