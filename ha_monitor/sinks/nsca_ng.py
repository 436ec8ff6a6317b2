"""NSCA-ng, over the network and encrypted: the program ``send_nsca`` in its command mode.

Command mode (``-C``) carries external commands with their own stamps, which the check result mode cannot. The
server must authorise them: ``commands = "PROCESS_(SERVICE|HOST)_CHECK_RESULT;.*"``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ha_monitor.errors import SinkError
from ha_monitor.publish.nagios import external_command, read_result
from ha_monitor.publish.outbox import NAGIOS, Delivery, Waiting, runs

PROGRAMS = ("/usr/sbin/send_nsca", "/usr/bin/send_nsca", "/opt/nsca-ng/usr/sbin/send_nsca")
TIMEOUT_S = 5
KILL_AFTER_S = 10.0


class NscaNgSink:
    """Runs send_nsca; states that stand together in one call, each transition in its own."""

    name = "nagios"
    kind = "nsca-ng"
    policy = NAGIOS
    batch_max = 100

    def __init__(self, server: str, secret: Path, private_dir: Path) -> None:
        self.host, _, port = server.rpartition(":")
        self.port = port or "5668"
        self.host = self.host.strip("[]")
        self.secret = secret
        self.config = private_dir / "send_nsca.cfg"
        self._program = ""

    def send(self, batch: Sequence[Waiting]) -> Delivery:
        """Send run by run. Raises SinkError when the first one fails."""
        taken: list[int] = []
        for run in runs(batch):
            try:
                self._call([external_command(read_result(entry.parcel.body)) for entry in run])
            except SinkError as error:
                if not taken:
                    raise
                return Delivery(tuple(taken), detail=str(error))
            taken += [entry.row for entry in run]
        return Delivery(tuple(taken))

    def _call(self, commands: Sequence[str]) -> None:
        self._write_config()
        argv = [self._find(), "-C", "-c", str(self.config), "-o", str(TIMEOUT_S)]
        text = "\n".join(commands) + "\n"
        try:
            done = subprocess.run(
                argv, input=text.encode(), capture_output=True, timeout=KILL_AFTER_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SinkError(
                f"send_nsca to {self.host}:{self.port}: no end within {KILL_AFTER_S:.0f} s"
            ) from error
        except OSError as error:
            raise SinkError(f"{argv[0]}: {error.strerror}") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else "no reason given"
            raise SinkError(f"send_nsca to {self.host}:{self.port}: exit code {done.returncode}: {reason}")

    def _find(self) -> str:
        """NSCA's old client has the same name and no command mode: ask before trusting."""
        if self._program:
            return self._program
        for path in PROGRAMS:
            if os.access(path, os.X_OK) and _is_nsca_ng(path):
                self._program = path
                return path
        raise SinkError(f"no send_nsca of NSCA-ng at {', '.join(PROGRAMS)}; apt-get install nsca-ng-client")

    def _write_config(self) -> None:
        """Server, identity and password in a file for us alone; written again when the secret changed."""
        identity, password = read_secret(self.secret)
        text = (
            f'server = "{self.host}"\nport = "{self.port}"\n'
            f'identity = "{identity}"\npassword = "{password}"\n'
        )
        if self.config.exists() and self.config.read_text(encoding="utf-8") == text:
            return
        self.config.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.config.unlink(missing_ok=True)
        fd = os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)


def _is_nsca_ng(path: str) -> bool:
    try:
        done = subprocess.run([path, "-V"], capture_output=True, timeout=KILL_AFTER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    # NSCA-ng says "send_nsca 1.6 (OpenSSL ...)", the old one "NSCA Client 2.10.2" and more lines.
    return done.stdout.startswith(b"send_nsca ")


def read_secret(path: Path) -> tuple[str, str]:
    """``identity`` and ``password`` from a file of ``key = "value"`` lines, as send_nsca.cfg has them.

    Raises SinkError: a secret that others can read is refused like one that is missing.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        needed = "the publisher's user must be able to read identity and password for NSCA-ng from it"
        raise SinkError(f"{path}: {error.strerror}; {needed}") from error
    if mode & 0o007:
        raise SinkError(f"{path}: everybody may read it (mode {mode & 0o777:o}); chmod 640")
    found: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            found[key.strip()] = value.strip().strip('"')
    for key in ("identity", "password"):
        if not found.get(key) or '"' in found[key]:
            raise SinkError(f'{path}: has no line {key} = "..."')
    return found["identity"], found["password"]
