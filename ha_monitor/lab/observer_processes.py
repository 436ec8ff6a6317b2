"""Observers as processes: started on lab hosts or beside the lab, looked after, and ended cleanly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ha_monitor.lab.host import Host
from ha_monitor.lab.problems import LabError

_PACKAGE = "ha_monitor.lab.observers"


class ObserverProcesses:
    """Those of one watch. They end by themselves when their standard input closes: also when we die."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start_on(self, host: Host, module: str, *arguments: str) -> None:
        """Start one inside a host."""
        argv = [sys.executable, "-m", f"{_PACKAGE}.{module}", *arguments]
        self._processes.append(host.popen(argv, stdin=subprocess.PIPE))

    def start_beside(self, module: str, *arguments: str) -> None:
        """Start one on the machine itself."""
        argv = [sys.executable, "-m", f"{_PACKAGE}.{module}", *arguments]
        self._processes.append(subprocess.Popen(argv, stdin=subprocess.PIPE))

    def refuse_dead(self) -> None:
        """Raise LabError when one has ended: what it did not see would count as good."""
        for process in self._processes:
            if process.poll() is not None:
                raise LabError(f"an observer ended with exit {process.returncode}")

    def end(self, *written: Path) -> None:
        """End all of them, and remove the files that they wrote."""
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        self._processes.clear()
        for path in written:
            path.unlink(missing_ok=True)
