"""Where things lie on a host. Every directory can be moved by the environment: tests and the lab do."""

from __future__ import annotations

import os
from pathlib import Path


def etc_dir() -> Path:
    """``cluster.toml`` and ``cluster.key``: what the operator fills."""
    return Path(os.environ.get("HA_MONITOR_ETC", "/etc/ha-monitor"))


def run_dir() -> Path:
    """On tmpfs: sockets, locks, ``voter.state``, ``view.json``. Empty after a boot, as it must be."""
    return Path(os.environ.get("HA_MONITOR_RUN", "/run/ha-monitor"))


def state_dir() -> Path:
    """On disk: epochs, longest hold, standby, maintenance, ``outbox/``. Nothing here is waited for."""
    return Path(os.environ.get("HA_MONITOR_STATE", "/var/lib/ha-monitor"))


def control_socket() -> Path:
    """Orders: root and the group ``ha-monitor``."""
    return run_dir() / "control.sock"


def status_socket() -> Path:
    """The view as JSON, read only."""
    return run_dir() / "status.sock"


def view_file() -> Path:
    """The view as the publisher last wrote it, for those who find no socket."""
    return run_dir() / "view.json"


def output_dir() -> Path:
    """What start lines and the daemons that they left running write: bounded files, for root alone."""
    return run_dir() / "output"
