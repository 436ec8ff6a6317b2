"""NSCA-ng, over the network and encrypted: the program ``send_nsca`` in its command mode.

Command mode (``-C``) carries external commands with their own stamps, which the check result mode cannot. The
server must authorise them: ``commands = "PROCESS_(SERVICE|HOST)_CHECK_RESULT;.*"``.
"""

from __future__ import annotations

import os
import subprocess
import threading
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
        self._lock = threading.Lock()
        self._is_aborted = False
        self._running: subprocess.Popen[bytes] | None = None  # a call that carries states

    def send(self, batch: Sequence[Waiting]) -> Delivery:
        """Send run by run. Raises SinkError when the first one fails."""
        taken: list[int] = []
        for run in runs(batch):
            try:
                commands = [external_command(read_result(entry.parcel.body)) for entry in run]
                self._call(commands, is_event=run[0].parcel.is_event)
            except SinkError as error:
                if not taken:
                    raise
                return Delivery(tuple(taken), detail=str(error))
            taken += [entry.row for entry in run]
        return Delivery(tuple(taken))

    def arm(self) -> None:
        """A batch is about to be fetched: forget an earlier `abort`."""
        with self._lock:
            self._is_aborted = False

    def abort(self) -> None:
        """End a call that carries states: it may hang in a cut network, to deliver them when that is healed.

        A transition stays true, and a call that was cut off would have to be repeated: it is left alone.
        """
        with self._lock:
            self._is_aborted = True
            if self._running:
                self._running.kill()

    def _call(self, commands: Sequence[str], *, is_event: bool) -> None:
        self._write_config()
        argv = [self._find(), "-C", "-c", str(self.config), "-o", str(TIMEOUT_S)]
        process = self._start(argv, is_event=is_event)
        try:
            out, err = process.communicate(("\n".join(commands) + "\n").encode(), KILL_AFTER_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise SinkError(
                f"send_nsca to {self.host}:{self.port}: no end within {KILL_AFTER_S:.0f} s"
            ) from error
        finally:
            with self._lock:
                self._running = None
        if process.returncode != 0:
            said = (err or out).decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else "no reason given"
            code = process.returncode
            raise SinkError(f"send_nsca to {self.host}:{self.port}: exit code {code}: {reason}")

    def _start(self, argv: Sequence[str], *, is_event: bool) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        with self._lock:
            if self._is_aborted and not is_event:
                raise SinkError("these states were taken back")
            try:
                process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)
            except OSError as error:
                raise SinkError(f"{argv[0]}: {error.strerror}") from error
            self._running = None if is_event else process
            return process

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
