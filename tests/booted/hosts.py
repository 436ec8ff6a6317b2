"""Whole hosts, booted with systemd over an overlay of this machine's own root file system.

The network is the lab's switch; what the hosts write goes into a directory that is removed afterwards.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ha_monitor.lab import kernel
from ha_monitor.lab.cast import CAST
from ha_monitor.lab.processes import end_all_in_network, pid_inside
from ha_monitor.lab.switch import Switch, ip_batch

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DIRECTORY_ROOT = Path("/var/tmp")  # not /run: an upper directory wants to lie on a disk
NSPAWN_DIRECTORY = Path("/run/systemd/nspawn")
BOOT_TIMEOUT_S = 90.0
# What this machine happens to start at boot is not wanted there; these are.
KEPT_UNITS = {"dbus.socket", "dbus.service", "systemd-user-sessions.service"}
PR_SET_PDEATHSIG = 1
CGROUP_ROOTS = tuple(Path("/sys/fs/cgroup") / name for name in ("", "systemd", "unified"))

_libc = ctypes.CDLL(None)


class BootedHost:
    """One host: ``boot``, ``run`` scripts on it, ``power_off``, ``remove``."""

    def __init__(self, cluster, member, switch):
        self.name, self.member, self._switch = member.name, member, switch
        self.full_name = f"{cluster}-{member.name}"
        self.directory = DIRECTORY_ROOT / self.full_name
        self.root = self.directory / "root"
        self._nspawn = None

    # Power

    def prepare(self):
        """Lay cables, mount the overlay, keep only the units that are wanted."""
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir(parents=True)
        layers = f"upperdir={self.directory}/upper,workdir={self.directory}/work"
        kernel.mount("overlay", str(self.root), options=f"lowerdir=/,{layers}")
        ip_batch([f"netns add {self.full_name}"])
        self._switch.plug_in(self.member, self.full_name)
        self._keep_few_units()
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        names = [f"{member.v4()} {member.name}" for member in CAST.values()]
        (self.root / "etc/hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
        self._write_network_unit()

    def boot(self):
        """Start the host; `wait_until_up` says when it is up."""
        NSPAWN_DIRECTORY.mkdir(parents=True, exist_ok=True)
        command = [
            "systemd-nspawn",
            f"--directory={self.root}",
            f"--network-namespace-path=/run/netns/{self.full_name}",
            f"--machine={self.full_name}",
            f"--hostname={self.name}",
            # As a real host has it: real-time priority, locked memory, netlink.
            "--capability=all",
            "--register=no",
            "--keep-unit",
            *(f"--bind={path}" for path in hidden_paths()),
            "--boot",
        ]
        with open(self.directory / "console.log", "ab") as console:
            self._nspawn = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._enter,  # noqa: PLW1509 - system calls only
            )

    def leader(self):
        """The number of the host's process 1 outside, or 0."""
        if self._nspawn is None or self._nspawn.poll() is not None:
            return 0
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        with contextlib.suppress(FileNotFoundError):
            for child in children.read_text().split():
                if pid_inside(int(child)) == 1:
                    return int(child)
        return 0

    def wait_until_up(self):
        """Until every unit of the boot was started."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.leader():
                state = self.run("systemctl is-system-running --wait", check=False, timeout=BOOT_TIMEOUT_S)
                if state.stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)
        raise AssertionError(f"{self.name} does not boot:\n{self.console()[-3000:]}")

    def reboot(self):
        """As an administrator does it; returns when the host is up again."""
        self.run("systemctl reboot", check=False)
        self._nspawn.wait(BOOT_TIMEOUT_S)  # it leaves to us what a firmware would do
        self.boot()
        self.wait_until_up()

    def power_off(self):
        """All processes at once, without a goodbye."""
        leader = self.leader()
        if leader:
            os.kill(leader, signal.SIGKILL)
        if self._nspawn is not None:
            self._nspawn.kill()
            self._nspawn.wait(20)
        self._nspawn = None
        with contextlib.suppress(FileNotFoundError):
            end_all_in_network(f"/run/netns/{self.full_name}")

    def remove(self):
        """Leave nothing behind, whatever state the host is in."""
        self.power_off()
        if self.root.is_mount():
            kernel.unmount_lazily(str(self.root))
        ip_batch([f"netns del {self.full_name}"], force=True)
        for root in CGROUP_ROOTS:
            for group in sorted((root / self.full_name).rglob("*/"), reverse=True):
                _remove_cgroup(group)
            _remove_cgroup(root / self.full_name)
        shutil.rmtree(self.directory, ignore_errors=True)

    # Inside

    def run(self, script, *, timeout=60.0, check=True, env=None, cwd="/root"):
        """Run a shell script on the host, as root and with a login's environment."""
        leader = self.leader()
        assert leader, f"{self.name} has no power"
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
        }
        command = [
            "nsenter",
            f"--target={leader}",
            "--all",
            "--root",  # the host's own, also where this machine's own root is a chroot
            "--wd",
            "/bin/sh",
            "-ec",
            f"cd {cwd}\n{script}",
        ]
        try:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=timeout,
                env={**environment, **(env or {})},
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(
                f"{self.name}: more than {timeout:g} s for:\n{script}\n{error.stdout}"
            ) from None
        if check and done.returncode != 0:
            told = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise AssertionError(f"{self.name}: exit code {done.returncode} of:\n{script}\n{told}")
        return done

    def console(self):
        """What the host wrote to its console."""
        return (self.directory / "console.log").read_text(errors="replace")

    def journal(self, unit):
        """The last lines of a unit, for a failed test's report."""
        return self.run(f"journalctl --no-pager --boot --unit={unit} --lines=40", check=False).stdout

    # How it is made

    def _enter(self):
        # Whoever kills the tests kills the hosts.
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # systemd-nspawn wants its own directory in memory, to be able to remove it.
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("tmpfs", str(NSPAWN_DIRECTORY))
        # A control group of its own, else the hosts' systemds would share one tree of units.
        for root in CGROUP_ROOTS:
            if (root / "cgroup.procs").exists():
                (root / self.full_name).mkdir(exist_ok=True)
                (root / self.full_name / "cgroup.procs").write_text("0")

    def _keep_few_units(self):
        for wants in (self.root / "etc/systemd/system").glob("*.wants"):
            for unit in wants.iterdir():
                if unit.name not in KEPT_UNITS:
                    unit.unlink()
        for script in (self.root / "etc/init.d").iterdir():
            if not (self.root / f"usr/lib/systemd/system/{script.name}.service").exists():
                script.unlink()  # else systemd makes a unit of it

    def _write_network_unit(self):
        """The host's own addresses at boot, and with them network-online.target."""
        commands = ["/usr/sbin/ip link set lo up"]
        for link in self.member.links:
            commands.append(f"/usr/sbin/ip link set {link} up")
            commands.append(f"/usr/sbin/ip address replace {self.member.v4(link)}/24 broadcast + dev {link}")
        starts = "\n".join(f"ExecStart={command}" for command in commands)
        unit = self.root / "etc/systemd/system/test-network.service"
        unit.write_text(
            "[Unit]\nBefore=network-online.target network.target\nDefaultDependencies=no\n"
            f"[Service]\nType=oneshot\nRemainAfterExit=yes\n{starts}\n"
        )
        for target in ("network-online.target", "basic.target"):
            wants = self.root / f"etc/systemd/system/{target}.wants"
            wants.mkdir(exist_ok=True)
            (wants / unit.name).symlink_to(f"/etc/systemd/system/{unit.name}")


def hidden_paths():
    """What tests need and a booted host would not see: its /tmp and /run are its own."""
    needed = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}
    return sorted(path for path in needed if path.is_relative_to("/tmp") or path.is_relative_to("/run"))


def _remove_cgroup(group):
    for _ in range(50):
        with contextlib.suppress(FileNotFoundError):
            try:
                group.rmdir()
            except OSError:  # its last process is still being reaped
                time.sleep(0.02)
                continue
        return


def sweep():
    """Remove what killed test runs left behind: they are named by their process."""
    for network in [*Path("/run/netns").glob("b*-sw")]:
        cluster = network.name.removesuffix("-sw")
        if cluster[1:].isdecimal() and not Path(f"/proc/{cluster[1:]}").exists():
            _remove(cluster, [BootedHost(cluster, member, Switch(network.name)) for member in CAST.values()])


def _remove(cluster, hosts):
    with ThreadPoolExecutor(len(hosts)) as pool:
        for removal in [pool.submit(host.remove) for host in hosts]:
            removal.result()
    ip_batch([f"netns del {cluster}-sw"], force=True)
    with contextlib.suppress(OSError):  # others may use it, or something before us made it
        NSPAWN_DIRECTORY.rmdir()


@contextlib.contextmanager
def booted_hosts(cluster, names):
    """These members of the cast, booted side by side; all gone after the block."""
    sweep()
    switch = Switch(f"{cluster}-sw")
    hosts = [BootedHost(cluster, CAST[name], switch) for name in names]
    try:
        switch.build()
        for host in hosts:
            host.prepare()
            host.boot()
        with ThreadPoolExecutor(len(hosts)) as pool:
            for up in [pool.submit(host.wait_until_up) for host in hosts]:
                up.result()
        yield {host.name: host for host in hosts}
    finally:
        _remove(cluster, hosts)
