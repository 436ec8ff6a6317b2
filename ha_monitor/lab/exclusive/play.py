"""Plays takeovers of an exclusive group under random faults, and checks after each one what must be true.

Never two mounts at once, no acknowledged record lost, the file system's checker content. The daemons are
asked only whether the lab is settled; every figure comes from mount tables, the disk, and the outside client.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from ha_monitor.lab import faults as lab_faults
from ha_monitor.lab.cast import NODES, SERVICE_V4
from ha_monitor.lab.exclusive import watchdog
from ha_monitor.lab.exclusive.cluster import ExclusiveCluster
from ha_monitor.lab.exclusive.faults import FAULTS, ExclusiveFault
from ha_monitor.lab.exclusive.mounts import MountWatch
from ha_monitor.lab.exclusive.records import numbers_on
from ha_monitor.lab.layout import PACKAGE_ROOT
from ha_monitor.lab.problems import LabError

ANSWER_TIMEOUT_S = 60.0
MOVING_WEIGHT = 4
STILL_S = 2.0  # how long a group that need not move is watched
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ack:
    """One record that the client was told is on disk."""

    number: int
    node: str
    at_ns: int


@dataclass
class RunResult:
    """What one fault did. Times in milliseconds."""

    run: int
    fault: str
    owner_before: str = ""
    owner_after: str = ""
    takeovers: int = 0
    outage_ms: int = 0
    acknowledged: int = 0
    double_mounts: int = 0
    lost_writes: int = 0
    dirty_checks: int = 0
    resets: int = 0
    seconds: float = 0.0
    detail: str = ""
    error: str = ""  # why it could not be played to its end

    def as_json(self) -> dict[str, object]:
        """For the run's file."""
        return asdict(self)


class Client:
    """The outside client of one run; a context manager."""

    def __init__(
        self,
        cluster: ExclusiveCluster,
        run: int,
        address: str = SERVICE_V4,
        pause_ms: int = 10,
        first: int = 1,
    ) -> None:
        self._host = cluster.lab.host("client")
        self._inside = f"/run/exclusive-{run}-{address}"
        self._argv = [sys.executable, "-S", "-P", "-m", "ha_monitor.lab.exclusive.client"]
        self._argv += [address, str(run), self._inside, str(pause_ms), str(first)]

    def __enter__(self) -> Client:
        environment = {"PYTHONPATH": str(PACKAGE_ROOT), "PATH": "/usr/bin:/bin"}
        self._process = self._host.popen(
            self._argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()

    def acks(self) -> list[Ack]:
        """Everything acknowledged so far, in order."""
        path = self._host.path(self._inside)
        if not path.exists():
            return []
        lines = path.read_text().split("\n")[:-1]  # the last piece is empty, or half a line
        return [Ack(int(n), node, int(at)) for n, node, at in (line.split() for line in lines)]

    def wait_for(
        self, is_wanted: Callable[[Ack], bool], what: str, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> Ack:
        """The first acknowledgement like that. Raises LabError."""
        deadline, seen = time.monotonic() + timeout_s, 0
        while time.monotonic() < deadline:
            acks = self.acks()
            for ack in acks[seen:]:
                if is_wanted(ack):
                    return ack
            seen = len(acks)
            time.sleep(0.05)
        raise LabError(f"no record was acknowledged {what} within {timeout_s:g} s")


def choose_fault(seed: int, kind: str, run: int) -> ExclusiveFault:
    """The same for the same run of the same series; mostly one for which the group has to move."""
    found = list(FAULTS.values())
    weights = [MOVING_WEIGHT if fault.moves else 1 for fault in found]
    return random.Random(f"{seed} {kind} {run}").choices(found, weights)[0]


def play(
    cluster: ExclusiveCluster, mounts: MountWatch, run: int, fault: ExclusiveFault, seed: int
) -> RunResult:
    """One fault at the Owner, from a settled lab to a settled lab, and the checks. Raises LabError."""
    began_s, began_ns = time.monotonic(), time.monotonic_ns()
    chance = random.Random(f"{seed} {run} moment")
    result = RunResult(run, fault.name)
    resets_before = _resets(cluster)
    cluster.wait_settled()
    with Client(cluster, run) as client:
        owner = client.wait_for(lambda _: True, "in the settled lab").node
        time.sleep(chance.uniform(0.1, 0.7))
        result.owner_before = owner
        struck_ns = time.monotonic_ns()
        fault.strike(cluster, owner)
        try:
            if fault.moves:
                client.wait_for(lambda a: a.node != owner, f"by the other Node after {fault.name} at {owner}")
            else:
                time.sleep(STILL_S)
        finally:
            lab_faults.heal(cluster.lab)
            cluster.heal()
        cluster.wait_settled()
        healed_ns = time.monotonic_ns()
        result.owner_after = client.wait_for(lambda a: a.at_ns > healed_ns, "after the healing").node
        _judge_takeovers(client.acks(), struck_ns, result)
        _judge_disk(cluster, client, run, result)
    result.resets = _resets(cluster) - resets_before
    result.double_mounts = mounts.count_since(began_ns)
    result.seconds = round(time.monotonic() - began_s, 1)
    return result


def _resets(cluster: ExclusiveCluster) -> int:
    return sum(watchdog.firings(cluster.lab, node) for node in NODES)


def _judge_takeovers(acks: list[Ack], struck_ns: int, result: RunResult) -> None:
    """A takeover is real when the outside client was served by one Node and then by the other."""
    result.acknowledged = len(acks)
    pairs = list(itertools.pairwise(acks))
    result.takeovers = sum(1 for one, next_one in pairs if one.node != next_one.node)
    gaps = [b.at_ns - a.at_ns for a, b in pairs if b.at_ns > struck_ns]
    result.outage_ms = max(gaps, default=0) // 1_000_000


def _judge_disk(cluster: ExclusiveCluster, client: Client, run: int, result: RunResult) -> None:
    acknowledged = client.acks()
    on_disk = numbers_on(cluster.disk.path(result.owner_after), run)
    lost = [ack.number for ack in acknowledged if ack.number not in on_disk]
    complaint = cluster.disk.check(result.owner_after)
    result.lost_writes, result.dirty_checks = len(lost), int(bool(complaint))
    result.detail = "; ".join(filter(None, (complaint, f"lost: {lost[:10]}" if lost else "")))


@contextlib.contextmanager
def staged(cluster: ExclusiveCluster) -> Iterator[MountWatch]:
    """A lab that is up, settled and watched."""
    with cluster.lab.session(), cluster, MountWatch(cluster.lab) as mounts:
        cluster.wait_settled()
        yield mounts
