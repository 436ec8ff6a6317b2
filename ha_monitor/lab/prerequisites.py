"""What `make demo` and `make test` need from the machine: checked, and installed where it is missing.

Run by Debian's bare ``/usr/bin/python3`` before any virtual environment exists, so this module
imports nothing but the standard library::

    python3 -m ha_monitor.lab.prerequisites [--test] [--bench]

No daemon is started by an installation, neither now nor at the next boot.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One package of Debian 12, why it is needed, and the daemons that it would start."""

    name: str
    why: str
    units: tuple[str, ...] = ()
    only_test: bool = False
    only_bench: bool = False


PACKAGES = (
    Package("python3-venv", "the virtual environment of the program"),
    Package("iproute2", "hosts and Links in the lab"),
    Package(
        "nftables", "faults in the lab; an administrator's view of the Lease in the kernel", ("nftables",)
    ),
    Package("nginx-light", "the web server with 80 virtual hosts on both Nodes", ("nginx",)),
    Package("nagios4-core", "the real Nagios", ("nagios4",)),
    Package("nagios4-cgi", "its web pages and statusjson"),
    Package("monitoring-plugins-basic", "check_dummy and others for Nagios' own checks"),
    Package("nagios-nrpe-server", "NRPE on the Nodes", ("nagios-nrpe-server",)),
    Package("nagios-nrpe-plugin", "check_nrpe on the monitoring server"),
    Package("nsca-ng-server", "passive results over the network into Nagios", ("nsca-ng-server",)),
    Package("nsca-ng-client", "send_nsca on the Nodes"),
    Package("zabbix-server-pgsql", "the real Zabbix", ("zabbix-server",)),
    Package("zabbix-frontend-php", "its web pages and its API"),
    Package("php-pgsql", "the web pages' way to the database"),
    Package(
        "apache2", "the web server of both monitoring systems' pages", ("apache2", "apache-htcacheclean")
    ),
    Package("libapache2-mod-php", "runs Zabbix' pages"),
    Package("postgresql", "Zabbix' database", ("postgresql",)),
    Package("locales", "the source of en_US, without which Zabbix' pages complain on every widget"),
    Package("chromium", "screenshots for the report"),
    Package("fonts-dejavu-core", "letters in the screenshots"),
    Package("systemd-container", "boots whole hosts, to try the units and the README", (), True),
    Package("dbus", "the bus over which units are driven in booted hosts", (), True),
    Package("curl", "the README's look at the page, in booted hosts", (), True),
    Package("openssh-server", "the README's scp between booted hosts", ("ssh",), True),
    Package("spin", "the model checker, for the Lease alone", (), True),
    Package("e2fsprogs", "ext4 on the shared disk of exclusive groups, and its checker", (), True),
    Package("xfsprogs", "xfs there, and its checker", (), True),
    Package("gcc", "compiles that, and the library that steps one lab host's wall clock", (), True),
    Package("libc6-dev", "the same", (), True),
    Package("fence-agents", "Debian's own fence agents, of which one is run", (), True),
    Package("keepalived", "another failover program, which the lab plays as well", ("keepalived",), True),
    Package("heartbeat", "the same", ("heartbeat",), only_bench=True),
    Package("corosync", "the same, with pacemaker", ("corosync",), only_bench=True),
    Package("pacemaker", "the same", ("pacemaker",), only_bench=True),
    Package("pacemaker-cli-utils", "its orders", only_bench=True),
    Package("resource-agents", "what heartbeat and pacemaker start and stop", only_bench=True),
    # It brings ifupdown with it, whose unit has nothing to do here.
    Package("ucarp", "another failover program", ("networking",), only_bench=True),
)

_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_SAVED = Path("/usr/sbin/policy-rc.d.before-ha-monitor")
_POLICY_TEXT = "#!/bin/sh\n# Made by ha-monitor while it installs packages: no daemon may start.\nexit 101\n"
_CLUSTER_POLICY = Path("/etc/postgresql-common/createcluster.d/ha-monitor.conf")
_LOCK_SIGNS = ("Could not get lock", "Unable to lock", "is another process using it")
_LOCK_TRIES = 30
_LOCK_PAUSE_S = 10.0
_INSTALL_TIMEOUT_S = 1800.0

# Everything that the lab and the Lease in the kernel ask of the kernel, in a throw-away namespace.
_KERNEL_TRIAL = """
ip link add trial type bridge || exit 11
ip link add port type veth peer name other || exit 12
ip link set port up
mount -t overlay overlay -o lowerdir=/etc:/usr /mnt || exit 14
nft -f - <<'EOF' || exit 13
table netdev trial {
  set held { type ipv4_addr; flags timeout; }
  chain in {
    type filter hook ingress device "port" priority -500;
    ip daddr != @held numgen random mod 100 < 1 drop;
  }
  chain out { type filter hook egress device "port" priority -500; }
}
EOF
"""
_KERNEL_LACKS = {
    11: "bridges (module bridge)",
    12: "virtual cables (module veth)",
    13: "nftables in the netdev family, ingress and egress, with timeouts (Linux 5.16 or newer)",
    14: "overlay file systems (module overlay)",
}


class Missing(Exception):
    """Something that this machine lacks and that cannot be installed: one sentence for a person."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, install, check what was installed; 0 when all is there."""
    parser = argparse.ArgumentParser(prog="python3 -m ha_monitor.lab.prerequisites")
    parser.add_argument("--test", action="store_true", help="also what only the tests need")
    parser.add_argument(
        "--bench", action="store_true", help="also the programs that ha-monitor is compared with"
    )
    parser.add_argument("--list", action="store_true", help="only list the packages and why")
    options = parser.parse_args(arguments)
    chosen = chosen_packages(test=options.test or options.bench, bench=options.bench)
    if options.list:
        for package in chosen:
            say(f"{package.name:<26}{package.why}")
        return 0
    try:
        refuse_impossible_machines()
        install(missing_of(chosen))
        try_kernel()
    except Missing as error:
        say(f"ha-monitor: {error}")
        return 1
    return 0


def chosen_packages(*, test: bool, bench: bool) -> list[Package]:
    """What the demonstration needs, and what only tests or comparisons need if asked for."""
    return [p for p in PACKAGES if (test or not p.only_test) and (bench or not p.only_bench)]


def say(line: str) -> None:
    """One line for the person who waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def refuse_impossible_machines() -> None:
    """Raise Missing at once where nothing that follows could help."""
    if os.geteuid() != 0:
        raise Missing("this makes network namespaces and installs packages: it must run as root")
    # The interpreter here is the machine's, not the one that the project chose.
    if sys.version_info < (3, 11):  # noqa: UP036
        raise Missing(f"Python {sys.version.split()[0]} runs this; 3.11 or newer is needed (Debian 12)")
    if not os.path.exists("/proc/self/ns/net"):
        raise Missing("this kernel has no network namespaces")
    done = _quiet(["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "true"])
    if done.returncode != 0:
        raise Missing(
            f"namespaces cannot be made here: {done.stderr.strip()}; a container must be privileged"
        )
    if shutil.which("apt-get") is None:
        names = " ".join(package.name for package in PACKAGES)
        raise Missing(f"no apt-get on this machine; on Debian 12 these would be installed: {names}")


def try_kernel() -> None:
    """Raise Missing when the kernel cannot do what the lab and the Lease need."""
    done = _quiet(["unshare", "--net", "--mount", "/bin/sh", "-c", _KERNEL_TRIAL])
    if done.returncode != 0:
        what = _KERNEL_LACKS.get(done.returncode, "what the lab needs")
        raise Missing(f"this kernel lacks {what}: {done.stderr.strip()}")


def missing_of(packages: Sequence[Package]) -> list[Package]:
    """Those that are not installed."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"]
    told = _quiet([*query, *(package.name for package in packages)]).stdout
    present = {line.split()[0] for line in told.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package.name not in present]


def install(packages: Sequence[Package]) -> None:
    """Install these, and keep their daemons from starting."""
    if not packages:
        return
    began = time.monotonic()
    say(f"installing {len(packages)} packages of Debian: {' '.join(package.name for package in packages)}")
    with no_daemon_starts():
        _apt("reading the package lists", ["update"])
        names = [package.name for package in packages]
        _apt("installing", ["install", "--yes", "--no-install-recommends", *names])
    units = [unit for package in packages for unit in package.units]
    if units and shutil.which("systemctl"):
        # Symbolic links only: works without a running systemd as well.
        _quiet(["systemctl", "disable", "--quiet", *units])
    if still := missing_of(packages):
        raise Missing(f"not installed although apt-get succeeded: {' '.join(p.name for p in still)}")
    say(f"installed in {time.monotonic() - began:.0f} s")


@contextlib.contextmanager
def no_daemon_starts() -> Iterator[None]:
    """Inside the block an installation starts no daemon and makes no database cluster."""
    # A run that was killed left ours behind: that one is not worth keeping.
    if _POLICY.exists() and _POLICY.read_text() != _POLICY_TEXT:
        _POLICY.rename(_POLICY_SAVED)
    _POLICY.write_text(_POLICY_TEXT)
    _POLICY.chmod(0o755)
    _CLUSTER_POLICY.parent.mkdir(parents=True, exist_ok=True)
    _CLUSTER_POLICY.write_text("create_main_cluster = false\n")
    try:
        yield
    finally:
        _CLUSTER_POLICY.unlink(missing_ok=True)
        _POLICY.unlink(missing_ok=True)
        if _POLICY_SAVED.exists():
            _POLICY_SAVED.rename(_POLICY)


def _apt(what: str, arguments: Sequence[str]) -> None:
    """Run apt-get with progress lines; wait, within bounds, for another one that holds the lock."""
    for attempt in range(_LOCK_TRIES):
        status, complaint = _apt_once(what, arguments)
        if status == 0:
            return
        if not any(sign in complaint for sign in _LOCK_SIGNS):
            break
        if attempt == 0:
            say("another apt-get is at work; waiting for it")
        time.sleep(_LOCK_PAUSE_S)
    last = "\n".join(complaint.strip().splitlines()[-10:])
    raise Missing(f"apt-get {' '.join(arguments)} failed:\n{last}")


def _apt_once(what: str, arguments: Sequence[str]) -> tuple[int, str]:
    reader, writer = os.pipe()
    options = [
        "-q",
        "-o",
        f"APT::Status-Fd={writer}",
        "-o",
        "Dpkg::Use-Pty=0",
        "-o",
        "DPkg::Lock::Timeout=300",
    ]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with open(os.devnull) as nothing, tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            ["apt-get", *options, *arguments],
            stdin=nothing, stdout=log, stderr=subprocess.STDOUT, pass_fds=[writer], env=environment,
        )  # fmt: skip
        os.close(writer)
        limit = threading.Timer(_INSTALL_TIMEOUT_S, process.kill)
        limit.start()
        try:
            with os.fdopen(reader) as progress:
                _tell_progress(what, progress)
            status = process.wait()
        finally:
            limit.cancel()
        log.seek(0)
        return status, log.read()


def _tell_progress(what: str, lines: Iterable[str]) -> None:
    """apt's status lines are ``dlstatus:1:12.5:text`` and ``pmstatus:package:40.0:text``."""
    began = told = time.monotonic()
    for line in lines:
        parts = line.rstrip("\n").split(":", 3)
        now = time.monotonic()
        if len(parts) == 4 and now - told >= 5:
            say(f"  {what}: {now - began:3.0f} s, {float(parts[2]):3.0f} %  {parts[3]}")
            told = now


def _quiet(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
