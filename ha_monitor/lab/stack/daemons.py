"""Starts, watches and stops real daemons inside a lab host, without systemd.

A daemon runs in the foreground under `setsid`, is known by its pid and start time in the host's
own /run, and outlives the caller: any later process can ask for it or stop it. Start and the wait
for readiness are one program run inside the host, because entering a host costs more than they do.
"""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from ha_monitor.lab.stack.hosts import StackError, StackHost

PID_DIR = "/run/stack/pids"
LOG_DIR = "/run/stack/logs"
LOG_TAIL_LINES = 15

# $1 name, $2 seconds to wait, $3 the readiness condition, the rest is the command.
# The start time (field 22 of stat) beside the pid keeps a reused pid from being taken for ours.
_COMMON = f"""
pidfile={PID_DIR}/$1.pid
born() {{ s=$(cat /proc/$1/stat 2>/dev/null) || return 1; s=${{s##*) }}; set -- $s
         case $1 in Z|X) return 1;; esac; shift 19; echo $1; }}
alive() {{ [ -s "$pidfile" ] && read pid since <"$pidfile" || return 1
          [ "$since" ] && [ "$(born $pid)" = "$since" ]; }}
"""
_START = (
    _COMMON
    + f"""
alive && exit 0
mkdir -p {PID_DIR} {LOG_DIR}
name=$1; tries=$(($2 * 50)); ready=$3; shift 3
cd /
setsid "$@" >>{LOG_DIR}/$name.log 2>&1 </dev/null &
echo "$! $(born $!)" >"$pidfile"
while ! eval "$ready"; do
    alive || exit 70
    tries=$((tries - 1)); [ $tries -gt 0 ] || exit 75
    sleep 0.02
done
alive || exit 70
"""
)
_STOP = (
    _COMMON
    + """
alive || { rm -f "$pidfile"; exit 0; }
kill -$3 $pid
tries=$(($2 * 50))
while alive; do
    tries=$((tries - 1)); [ $tries -gt 0 ] || { kill -KILL $pid; sleep 0.1; }
    sleep 0.02
done
rm -f "$pidfile"
"""
)
_ENDINGS = {70: "ended by itself", 75: "was not ready"}


def listens(port: int) -> str:
    """Return the readiness condition: some socket of the host listens on this TCP port."""
    # Reading the table opens no connection, so no daemon logs a broken one.
    return f"grep -qE ':{port:04X} [0-9A-F:]+ 0A ' /proc/net/tcp /proc/net/tcp6"


@dataclass(frozen=True)
class Daemon:
    """One daemon: its command in the foreground, its user, and how one sees that it is ready."""

    name: str
    argv: tuple[str, ...]
    ready: str
    user: str = ""
    stop_signal: str = "TERM"
    ready_within_s: int = 15
    stop_within_s: int = 8
    env: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> tuple[str, ...]:
        """Return the command line that becomes the daemon; setpriv execs, so the pid stays."""
        environment = tuple(f"{key}={value}" for key, value in self.env.items())
        prefix = ("env", *environment) if environment else ()
        if not self.user:
            return (*prefix, *self.argv)
        identity = (f"--reuid={self.user}", f"--regid={self.user}", "--init-groups")
        return ("setpriv", *identity, *prefix, *self.argv)


def start(host: StackHost, daemon: Daemon, keep: tuple[int, ...] = ()) -> None:
    """Start and wait until ready; nothing happens if it runs. Raises StackError with its log.

    `keep` are open descriptors that the daemon inherits under the same numbers.
    """
    arguments = (daemon.name, str(daemon.ready_within_s), daemon.ready, *daemon.command())
    done = _shell(host, _START, arguments, daemon.ready_within_s + 30, keep)
    if done.returncode == 0:
        return
    ending = _ENDINGS.get(done.returncode, f"could not be started: {done.stderr.strip()}")
    within = f" within {daemon.ready_within_s} s" if done.returncode == 75 else ""
    raise StackError(f"{daemon.name} on {host.name} {ending}{within}:\n{log_tail(host, daemon)}")


def stop(host: StackHost, daemon: Daemon) -> None:
    """Stop by the daemon's own signal, by SIGKILL when that takes too long."""
    arguments = (daemon.name, str(daemon.stop_within_s), daemon.stop_signal)
    done = _shell(host, _STOP, arguments, timeout=daemon.stop_within_s + 30)
    if done.returncode != 0:
        raise StackError(f"{daemon.name} on {host.name} did not stop: {done.stderr.strip()}")


def is_running(host: StackHost, daemon: Daemon) -> bool:
    """Tell whether the daemon that was started here is still that process, and no zombie."""
    return _shell(host, _COMMON + "alive", (daemon.name,), timeout=30).returncode == 0


def log_tail(host: StackHost, daemon: Daemon) -> str:
    """Return the last lines that the daemon wrote to its standard output and error."""
    log = host.path(f"{LOG_DIR}/{daemon.name}.log")
    if not log.exists():
        return "(no log)"
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join(lines) or "(empty log)"


def _shell(
    host: StackHost,
    script: str,
    arguments: tuple[str, ...],
    timeout: float,
    keep: tuple[int, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a script inside; `keep` are descriptors of this process that it and its children inherit."""
    pipe = subprocess.PIPE
    argv = ["sh", "-c", script, "stack", *arguments]
    process = host.popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, pass_fds=keep)
    try:
        said, complained = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise StackError(f"{arguments[0]} on {host.name}: no end after {timeout:g} s") from None
    return subprocess.CompletedProcess(argv, process.returncode, said, complained)
