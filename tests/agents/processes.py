"""Helpers for tests with real processes."""

import time


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end between opening and reading
        return False


def pid_in(path, within_s=30.0):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def wait_gone(pid, within_s=30.0):
    deadline = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def daemon_lines(directory, name="web"):
    """The lines of a small daemon that writes its own pidfile."""
    pidfile = directory / f"{name}.pid"
    # A zombie is dead, although `kill -0` finds it until its parent has reaped it.
    is_alive_line = f"grep -qs '^State:.*[SRD]' /proc/$(cat {pidfile})/status"
    return {
        "start": f"sleep 300 & echo $! > {pidfile}",
        "stop": f"kill -9 $(cat {pidfile}); rm {pidfile}",
        "status": f"test -e {pidfile} || exit 3; {is_alive_line} || exit 1",
        "pidfile": str(pidfile),
    }
