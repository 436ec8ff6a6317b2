"""Starts the steady HTTP requests of the host `client` and tells what became of them."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ha_monitor.lab.stack import daemons, request_load
from ha_monitor.lab.stack.daemons import Daemon
from ha_monitor.lab.stack.hosts import StackError, StackHost, make_dir
from ha_monitor.lab.stack.request_load import Tally, read_windows, tally
from ha_monitor.lab.stack.web import SERVER_NAMES

OUTPUT_DIR = "/run/stack/visitors"
OUTPUT = f"{OUTPUT_DIR}/windows.jsonl"
PORT = 80
RATE = 100
TIMEOUT_MS = 1000
SETTLE_WITHIN_S = TIMEOUT_MS / 1000 + 5


@dataclass(frozen=True)
class Visitors:
    """Requests from `host` to the 80 names behind `address`."""

    host: StackHost
    address: str
    rate: int = RATE

    def start(self) -> None:
        """Begin to ask; nothing happens if they ask already."""
        make_dir(self.host, OUTPUT_DIR)
        daemons.start(self.host, self._daemon())

    def stop(self) -> None:
        """End the requests; what they counted stays to be read."""
        daemons.stop(self.host, self._daemon())

    def tally(self, since_ns: int, until_ns: int) -> Tally:
        """Return the fate of what was sent between two moments of the monotonic clock.

        Waits until the last request of the stretch has ended. Raises StackError if it does not.
        """
        file = self.host.path(OUTPUT)
        deadline = time.monotonic() + SETTLE_WITHIN_S
        while True:
            windows = read_windows(file) if file.exists() else []
            if windows and windows[-1].at_ns >= until_ns:
                return tally(windows, since_ns, until_ns)
            if time.monotonic() > deadline or not daemons.is_running(self.host, self._daemon()):
                raise StackError(f"the HTTP client on {self.host.name} counted nothing up to the end")
            time.sleep(0.1)

    def _daemon(self) -> Daemon:
        program = str(Path(request_load.__file__))
        numbers = (self.address, str(PORT), str(self.rate), str(TIMEOUT_MS))
        argv = (sys.executable, "-P", "-S", program, *numbers, OUTPUT, *SERVER_NAMES)
        return Daemon("visitors", argv, ready=f"[ -e {OUTPUT} ]")
