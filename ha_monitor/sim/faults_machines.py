"""What goes wrong on the hosts of a swarm: processes, machines, clocks, disks, kernels, services."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ha_monitor.core import events as ev
from ha_monitor.sim.disk import SYNC_NS
from ha_monitor.sim.faults import Fault
from ha_monitor.sim.services import AgentWeather
from ha_monitor.timebase import MS, SECOND

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_swarm import SwarmWorld

STEPS_S = (1, 60, 3600, 86_400)


def stumble(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """The core stands still between two instructions, a few after that moment."""
    after = int(fault.dice[0] * fault.dice[0] * 30)
    if host.process is not None:
        world.stumbling[host.index] = (after, fault.length_ns)
    return f"after {after} instructions"


def pause(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001  one signature for all
    """The core does not run for a while."""
    if host.process is not None:
        host.process.stall(fault.length_ns // 2)
    return f"{fault.length_ns / 2 / SECOND:.3f} s"


def hang(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """The core does not run for so long that its guard ends it."""
    if host.process is not None:
        host.process.stall(2 * world.lease_ns + fault.length_ns)
    return ""


def crash(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """SIGKILL to the core."""
    if not host.is_frozen:
        host.crash_core()
    return ""


def kill_all(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """SIGKILL to guard and core; the init system starts them again."""
    if not host.is_frozen:
        host.kill_all()
        host.later(int(fault.dice[0] * fault.length_ns), host.start_daemon)
    return ""


def forget(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """The voter's file is lost or damaged while its processes are down."""
    if not host.is_frozen:
        host.tmpfs = None if fault.dice[1] < 0.5 else host.tmpfs and host.tmpfs[:-3]
    return kill_all(world, host, fault)


def power(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """No power."""
    host.power_off()
    world.agenda.after(fault.length_ns, host.power_on)
    return ""


def suspend(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """The whole machine sleeps, its kernel's timers too: what the promise's condition leaves out."""
    knows = fault.dice[0] < 0.3
    if not host.is_frozen:
        host.freeze()
        world.agenda.after(fault.length_ns, lambda: host.thaw(knows))
    return "its Lease clock goes on" if knows else "all its clocks stand still"


def worker(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """The worker dies with what it was doing; the next one starts at once, or after the guard's back-off."""
    away_ns = fault.length_ns if fault.dice[0] < 0.5 else 0
    if not host.is_frozen:
        host.lose_worker()
        host.later(away_ns, host.start_worker)
    return "orders reach nobody" if away_ns else "another one starts at once"


def service(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:  # noqa: ARG001
    """A service ends by itself."""
    names = [] if host.voter.is_witness or host.is_frozen else list(host.services.groups)
    if not names:
        return "none"
    name = names[fault.pick(0, names)]
    host.services.crash(name)
    return name


def _agents(world: SwarmWorld, host: ClusterHost, fault: Fault, **how: Any) -> str:
    """All agents of a host, for a while; from the beginning: of all hosts."""
    for one in world.nodes if fault.at_ns == 0 else [host]:
        one.services.weather = replace(one.services.weather, **how)
        world.agenda.after(fault.length_ns, lambda one=one: _calm(one, how))  # type: ignore[misc]
    return "everywhere" if fault.at_ns == 0 else ""


def _calm(host: ClusterHost, how: Iterable[str]) -> None:
    calm: dict[str, Any] = {name: getattr(AgentWeather(), name) for name in how}
    host.services.weather = replace(host.services.weather, **calm)


def slow_agents(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Starts and stops take up to two seconds; the limit is one."""
    return _agents(world, host, fault, delay_ns=(MS, 2 * SECOND if fault.dice[0] < 0.5 else SECOND // 2))


def failing_agents(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Some starts and stops fail."""
    return _agents(world, host, fault, start_fails=0.3, stop_fails=0.2)


def hanging_agents(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Some operations do not end, some probes give no answer."""
    return _agents(world, host, fault, hangs=0.3)


def lying_agents(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Some answers are not true."""
    return _agents(world, host, fault, lies=0.2)


def full_tmpfs(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """The voter's memory cannot be written."""
    host.is_tmpfs_full = True
    world.agenda.after(fault.length_ns, lambda: setattr(host, "is_tmpfs_full", False))
    return ""


def slow_disk(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """What is written is on disk only much later: a power cut loses it."""
    host.disk.sync_ns = 10 * world.lease_ns
    world.agenda.after(fault.length_ns, lambda: setattr(host.disk, "sync_ns", SYNC_NS))
    return ""


def wall_step(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Somebody sets the wall clock."""
    step_s = STEPS_S[fault.pick(0, STEPS_S)] * (1 if fault.dice[1] < 0.5 else -1)
    host.wall_step_ns += step_s * SECOND
    world.leases.epochs = None  # rule 7's condition: no wall clock runs backwards, and all are about the same
    return f"by {step_s} s"


def stranger(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """A machine outside the cluster has one of the addresses, as far as this host can tell."""
    if not world.addresses:
        return "none"
    name = world.addresses[fault.pick(0, world.addresses)][1]
    host.strangers[name] = "02:00:00:00:00:99"
    host.order(ev.CompetingClaimHeard(name, "02:00:00:00:00:99"))
    world.agenda.after(fault.length_ns, lambda: _leaves(host, name))
    return name


def _leaves(host: ClusterHost, name: str) -> None:
    host.strangers.pop(name, None)


def address_gone(world: SwarmWorld, host: ClusterHost, fault: Fault) -> str:
    """Somebody takes an address off its device."""
    if not world.addresses:
        return "none"
    name = world.addresses[fault.pick(0, world.addresses)][1]
    host.order(ev.AddressRemoved(name))
    return name
