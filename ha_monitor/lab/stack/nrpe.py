"""A real NRPE server on a lab Node, and check_nrpe on the monitoring server."""

from dataclasses import dataclass
from pathlib import Path

from ha_monitor.lab.stack.daemons import Daemon, listens
from ha_monitor.lab.stack.hosts import StackHost, make_dir, write_file

NRPE_DIR = "/run/stack/nrpe"
NRPE_CFG = f"{NRPE_DIR}/nrpe.cfg"
DEFINITIONS = f"{NRPE_DIR}/ha-monitor.cfg"
NRPE_PORT = 5666
CHECK_NRPE = "/usr/lib/nagios/plugins/check_nrpe"


@dataclass(frozen=True)
class CheckAnswer:
    """What a plugin said: its exit code (0 to 3) and its text."""

    code: int
    output: str


@dataclass(frozen=True)
class Nrpe:
    """The NRPE server in `host`, at `address`; only `allowed` may ask it."""

    host: StackHost
    address: str
    allowed: str

    def write_configuration(self, definitions: Path) -> None:
        """Write nrpe.cfg with the command definitions of a file of the machine; no arguments taken."""
        make_dir(self.host, NRPE_DIR)
        make_dir(self.host, f"{NRPE_DIR}/run", "nagios", "nagios")
        write_file(self.host, DEFINITIONS, definitions.read_text())
        text = f"""\
server_address={self.address}
server_port={NRPE_PORT}
nrpe_user=nagios
nrpe_group=nagios
allowed_hosts={self.allowed}
dont_blame_nrpe=0
allow_bash_command_substitution=0
command_timeout=15
connection_timeout=30
pid_file={NRPE_DIR}/run/nrpe.pid
include={DEFINITIONS}
"""
        write_file(self.host, NRPE_CFG, text)

    def daemon(self) -> Daemon:
        """Return the server in the foreground."""
        return Daemon("nrpe", ("/usr/sbin/nrpe", "-c", NRPE_CFG, "-f"), ready=listens(NRPE_PORT))


def check_nrpe(asker: StackHost, address: str, command: str, timeout_s: int = 10) -> CheckAnswer:
    """Let the real check_nrpe in `asker` run a command of the NRPE server at `address`."""
    argv = [CHECK_NRPE, "-H", address, "-p", str(NRPE_PORT), "-c", command, "-t", str(timeout_s)]
    done = asker.exec(argv, timeout=timeout_s + 10, check=False)
    return CheckAnswer(done.returncode, (done.stdout + done.stderr).strip())
