"""What must be right before a daemon starts: rights, directories, one instance, a checked configuration.

Nothing here touches a service. Every refusal is a HaMonitorError that says what to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from ha_monitor import paths
from ha_monitor.errors import ConfigError, PrerequisiteError
from ha_monitor.model import ClusterConfig, Quorum
from ha_monitor.runtime.accounts import control_gid
from ha_monitor.runtime.children import Account
from ha_monitor.runtime.config_reader import read_configuration
from ha_monitor.runtime.configuration import account_of, config_of, split_keys
from ha_monitor.runtime.generation import Generation, Listeners
from ha_monitor.runtime.instance import CORE_LOCK, GUARD_LOCK, ProcessLock
from ha_monitor.runtime.memory import HOLD_UNKNOWN_NS, Memory, load_memory, store_memory
from ha_monitor.runtime.scribe import Scribe

FORMER_CORE_BOUND_S = 5.0
_ROOM = "on a filesystem that has room and is not read-only (see `df`, `df -i` and `mount`)"


@dataclass(frozen=True)
class Prepared:
    """Everything that a guard needs. ``lock`` is held as long as this object lives."""

    generation: Generation
    listeners: Listeners
    memory: Memory
    abstain_ns: int
    scribe: Scribe
    lock: ProcessLock


def prepare(is_witness: bool) -> Prepared:
    """Check and open everything. Raises HaMonitorError; then nothing was started."""
    if os.geteuid() != 0:
        raise PrerequisiteError("the daemon must be started by root: it holds addresses and real-time rights")
    make_directories()
    lock = open_lock(GUARD_LOCK)
    lock.take("an ha-monitor daemon")
    generation = make_generation(read_configuration(), is_witness)
    await_former_core()
    memory, abstain_ns = remember_hold(generation.config)
    own_outbox(generation.account)
    return Prepared(generation, open_listeners(), memory, abstain_ns, Scribe(paths.state_dir()), lock)


def make_generation(told: bytes, is_witness: bool) -> Generation:
    """From what the configuration's reader told.

    Raises ConfigError when it cannot be used on this host, PrerequisiteError when this host lacks the means.
    """
    text, keys = split_keys(told)
    config = config_of(text)
    name = own_name(config, is_witness)
    try:
        return Generation(config, text, keys, account_of(told), name, is_witness)
    except OSError as error:
        what = "what the daemon's processes share cannot be opened"
        raise PrerequisiteError(f"{what}: {error.strerror}; see `ls /proc/PID/fd` and LimitNOFILE=") from None


def refuse_new_name(old: ClusterConfig, new: ClusterConfig) -> None:
    """A cluster's name is in its packets and in the kernel's rules. Raises ConfigError when it changed."""
    if new.name != old.name:
        where = f"{paths.etc_dir()}/cluster.toml [cluster] name"
        raise ConfigError(where, new.name, f"{old.name!r}", "a new name needs stop and start on every host")


def refuse_new_voters(old: ClusterConfig, new: ClusterConfig) -> None:
    """Two majorities must have a voter in common: not so while hosts count by different rules.

    Raises ConfigError when the voters, their order or the quorum mode changed; an address may.
    """
    before, after = (([voter.name for voter in c.voters], c.quorum.value) for c in (old, new))
    if before != after:
        where = f"{paths.etc_dir()}/cluster.toml [nodes], [witness] or [cluster] quorum"
        found, expected = (f"{', '.join(names)}, quorum {mode}" for names, mode in (after, before))
        raise ConfigError(where, found, expected, "this needs stop and start on every host")


def refuse_new_holds(old: ClusterConfig, new: ClusterConfig) -> None:
    """Voters hold an exclusive group by what they were configured with, and guards end it where it may run.

    Raises ConfigError on a change.
    """
    before, after = (
        ({g.name: (g.stop_within_ns, set(g.prefer)) for g in config.groups if g.exclusive}, config.watchdog)
        for config in (old, new)
    )
    if before != after:
        where = f"{paths.etc_dir()}/cluster.toml exclusive, its prefer or stop_within, or [watchdog]"
        raise ConfigError(where, "changed", "as it was", "this needs stop and start on every host")


def refuse_new_account(old: Account, new: Account) -> None:
    """The outbox was given to the publisher's user at the start. Raises ConfigError if it is another now."""
    before, after = (f"uid {account.uid}, gid {account.gid}" for account in (old, new))
    if before != after:
        hint = "this needs stop and start; or the name service fails, see `getent passwd`"
        raise ConfigError("the publisher's user", after, before, hint)


def own_name(config: ClusterConfig, is_witness: bool) -> str:
    """Which voter this host is: by HA_MONITOR_SELF, else by the host's name, with its domain or without.

    Raises ConfigError.
    """
    whole = os.environ.get("HA_MONITOR_SELF") or socket.gethostname()
    is_known = any(voter.name == whole for voter in config.voters)
    name = whole if is_known else whole.partition(".")[0]
    section, wanted = ("[witness]", config.witness) if is_witness else ("[nodes]", None)
    voters = [wanted] if wanted else [] if is_witness else list(config.nodes)
    if any(voter.name == name for voter in voters if voter):
        return name
    names = ", ".join(voter.name for voter in voters if voter) or "empty"
    verb = "ha-monitor run" if is_witness else "ha-monitor witness"
    other = "a Node: start `ha-monitor run`" if is_witness else f"the Witness: start `{verb}`"
    is_other = any(voter.name == name for voter in config.voters)
    hint = f"{name} is {other}" if is_other else "the host's name must stand there, or set HA_MONITOR_SELF"
    raise ConfigError(f"{paths.etc_dir()}/cluster.toml {section}", name, f"one of: {names}", hint)


def make_directories() -> None:
    """Run and state directory. The publisher may add its file to the first, and touch nobody else's.

    What start lines write lies below the first: made here, before the publisher could make it its own.
    """
    for directory, mode in (
        (paths.run_dir(), 0o755),
        (paths.state_dir(), 0o755),
        (paths.output_dir(), 0o700),
    ):
        try:
            directory.mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as error:
            raise PrerequisiteError(f"{directory}: cannot be made: {error.strerror}") from None


def open_lock(name: str) -> ProcessLock:
    """A lock in the run directory. Raises PrerequisiteError where it cannot be made."""
    path = paths.run_dir() / name
    try:
        return ProcessLock(path)
    except OSError as error:
        wanted = "it must be a file that root can write"
        raise PrerequisiteError(f"{path}: cannot be opened: {error.strerror}; {wanted}, {_ROOM}") from None


def own_outbox(account: Account) -> None:
    """Let the publisher write its outbox and `view.json`; the sticky bit keeps the rest from it."""
    outbox, run_dir = paths.state_dir() / "outbox", paths.run_dir()
    try:
        outbox.mkdir(mode=0o750, exist_ok=True)
        os.chown(outbox, account.uid, account.gid)
        for path in outbox.iterdir():
            with contextlib.suppress(OSError):
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
        os.chown(run_dir, 0, account.gid)
        run_dir.chmod(0o1775)
    except OSError as error:
        where = error.filename or outbox
        problem = f"{where}: cannot be given to the publisher (uid {account.uid}): {error.strerror}"
        raise PrerequisiteError(f"{problem}; it must be a directory that root can change, {_ROOM}") from None


def remember_hold(config: ClusterConfig) -> tuple[Memory, int]:
    """What is remembered, this configuration's hold on disk before it can be granted; and the abstention."""
    memory, is_known = load_memory(paths.state_dir())
    wanted = memory.with_hold(config.longest_hold_ns, is_known)
    try:
        store_memory(paths.state_dir(), wanted)
    except OSError as error:
        raise PrerequisiteError(f"{paths.state_dir()}: cannot be written: {error.strerror}") from None
    if config.quorum is Quorum.SINGLE:
        return wanted, 0  # nobody else could hold anything, and the core before this one has ended
    return wanted, wanted.hold_ns if is_known else max(HOLD_UNKNOWN_NS, wanted.hold_ns)


def await_former_core() -> None:
    """A core whose guard was killed hands over by itself; one that cannot is killed."""
    lock = open_lock(CORE_LOCK)
    pid = lock.holder_pid()
    bound = time.monotonic() + FORMER_CORE_BOUND_S
    while pid and time.monotonic() < bound:
        time.sleep(0.02)
        pid = lock.holder_pid()
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        if pid := lock.holder_pid():
            raise PrerequisiteError(f"a core of a former daemon does not end (pid {pid}); reboot this host")


def open_listeners() -> Listeners:
    """Both control sockets, with their owners and modes."""
    gid = control_gid()
    return Listeners(
        _listen(paths.control_socket(), 0o660, gid),
        # For all: plugins run as users who must not be in the group, whose members may give orders.
        _listen(paths.status_socket(), 0o666, gid),
    )


def _listen(path: Path, mode: int, gid: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        path.unlink(missing_ok=True)  # ours: the lock says that no other daemon lives
        before = os.umask(0o177)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        os.chown(path, 0, gid)
        path.chmod(mode)
        sock.listen(16)
    except OSError as error:
        raise PrerequisiteError(f"{path}: cannot listen there: {error.strerror}") from None
    return sock
