"""What can happen to machines and processes in a story: power, kills, pauses, restarts, clocks, memories."""

from __future__ import annotations

from dataclasses import replace

from ha_monitor.core import events as ev
from ha_monitor.sim.story_words import Impossible, verb
from ha_monitor.sim.story_world import StoryWorld


@verb("power-off VOTER...")
def _power_off(world: StoryWorld, names: tuple[str, ...]) -> None:
    """the machine is off at once"""
    for name in names:
        world[name].power_off()


@verb("power-on VOTER...")
def _power_on(world: StoryWorld, names: tuple[str, ...]) -> None:
    """it boots and starts its daemon"""
    for name in names:
        if world[name].is_on:
            raise Impossible(f"{name} is on already")
        world[name].power_on()


@verb("kill core|guard|all VOTER")
def _kill(world: StoryWorld, what: str, name: str) -> None:
    """SIGKILL to the core (its guard lives), to the guard (its core lives), or to both, which stay away"""
    host = world[name]
    if host.process is None:
        raise Impossible(f"no daemon runs on {name}")
    if what == "guard":
        world.kill_guard(host)
    elif what == "core":
        host.crash_core()
    else:
        host.kill_all()


@verb("kill-worker NODE")
def _kill_worker(world: StoryWorld, name: str) -> None:
    """SIGKILL to the worker: what it was doing is lost, services run on; the next one starts at once"""
    services = world.services_of(name)
    services.forget_operations()
    world[name].order(ev.WorkerLost())


@verb("freeze core VOTER TIME")
def _freeze(world: StoryWorld, name: str, length_ns: int) -> None:
    """the core stands still for so long, the kernel's timers go on"""
    host = world[name]
    if host.process is None:
        raise Impossible(f"no daemon runs on {name}")
    host.process.stall(length_ns)


@verb("stop VOTER")
def _stop(world: StoryWorld, name: str) -> None:
    """an operator stops the daemon, which hands over first"""
    world[name].is_stopped = True
    world[name].order(ev.StopOrdered(True))


@verb("start VOTER")
def _start(world: StoryWorld, name: str) -> None:
    """an operator starts the daemon"""
    if not world[name].is_on or world[name].process is not None:
        raise Impossible(f"{name} is off, or its daemon runs already")
    world[name].start_daemon()


@verb("restart VOTER")
def _restart(world: StoryWorld, name: str) -> None:
    """a planned restart (new processes), which lets go of nothing"""
    world[name].order(ev.StopOrdered(False))


@verb("forget VOTER")
def _forget(world: StoryWorld, name: str) -> None:
    """its voter's memory on tmpfs is deleted; the next core finds none"""
    world[name].tmpfs = None


@verb("damage VOTER")
def _damage(world: StoryWorld, name: str) -> None:
    """its voter's memory on tmpfs is cut short"""
    memory = world[name].tmpfs
    world[name].tmpfs = memory[:-3] if memory else None


@verb("tmpfs full|free VOTER")
def _tmpfs(world: StoryWorld, state: str, name: str) -> None:
    """tmpfs takes no more writes, or takes them again"""
    world[name].is_tmpfs_full = state == "full"


@verb("freeze machine VOTER TIME")
def _freeze_machine(world: StoryWorld, name: str, length_ns: int) -> None:
    """the whole machine stands still, its kernel's timers and its Lease clock too: a virtual machine"""
    _sleep(world, name, length_ns, is_known=False)


@verb("suspend VOTER TIME")
def _suspend(world: StoryWorld, name: str, length_ns: int) -> None:
    """the same, but its Lease clock has gone on when it wakes up: a laptop"""
    _sleep(world, name, length_ns, is_known=True)


def _sleep(world: StoryWorld, name: str, length_ns: int, is_known: bool) -> None:
    host = world[name]
    if not host.is_on or host.is_frozen:
        raise Impossible(f"{name} is off, or sleeps already")
    host.freeze()

    def wake() -> None:
        world.tell(name, "the machine wakes up")
        host.thaw(is_known)

    world.agenda.after(length_ns, wake)


@verb("set-clock VOTER forward|back TIME")
def _set_clock(world: StoryWorld, name: str, way: str, length_ns: int) -> None:
    """somebody sets the wall clock there"""
    world[name].wall_step_ns += length_ns if way == "forward" else -length_ns
    world.leases.epochs = None  # rule 7: Epochs rise as long as no wall clock runs backwards


@verb("edit-configuration VOTER")
def _edit_configuration(world: StoryWorld, name: str) -> None:
    """its cluster.toml is not the one of the others any more; the next start of its daemon reads it"""
    world[name].next_config = replace(world.config, digest="another")
