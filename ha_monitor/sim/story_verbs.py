"""What can happen to the network, to Resources and addresses, and what operators order: verbs of stories.

A verb changes the world at this instant; time passes only in `run`.
"""

from __future__ import annotations

from dataclasses import replace

from ha_monitor.core import events as ev
from ha_monitor.messages import LeaseMessage, MaintenanceNote
from ha_monitor.model import REPORTER, Protection
from ha_monitor.sim.story_services import SAYS
from ha_monitor.sim.story_words import Impossible, verb
from ha_monitor.sim.story_world import Packet, StoryWorld

STRANGER = "02:00:00:00:00:99"


@verb("run TIME")
def _run(world: StoryWorld, length_ns: int) -> None:
    """time passes"""
    world.run(length_ns)


# The network


@verb("cut LINK VOTER", "cut LINK VOTER VOTER")
def _cut(world: StoryWorld, links: tuple[str, ...], name: str, other: str = "") -> None:
    """nothing passes on the Link (or `all`) to and from that voter, or between the two"""
    for peer in [other] if other else [host.name for host in world.hosts if host.name != name]:
        world.separate(name, peer, links)


@verb("one-way LINK VOTER VOTER")
def _one_way(world: StoryWorld, links: tuple[str, ...], source: str, target: str) -> None:
    """the second does not hear the first on that Link any more"""
    world.mute(source, target, links)


@verb("split VOTER...")
def _split(world: StoryWorld, names: tuple[str, ...]) -> None:
    """these voters hear each other and nobody else, the others hear each other and not these"""
    rest = [host.name for host in world.hosts if host.name not in names]
    for name in names:
        for other in rest:
            world.separate(name, other, world.links())


@verb("unplug LINK NODE")
def _unplug(world: StoryWorld, links: tuple[str, ...], name: str) -> None:
    """the cable is pulled at that Node: no carrier, nothing passes"""
    _cut(world, links, name)
    for link in links:
        world.set_carrier(world[name], link, False)


@verb("plug LINK NODE")
def _plug(world: StoryWorld, links: tuple[str, ...], name: str) -> None:
    """the cable is back"""
    index = world[name].index
    world.network.cut = {c for c in world.network.cut if not (index in c[:2] and c[2] in links)}
    for link in links:
        world.set_carrier(world[name], link, True)


@verb("heal")
def _heal(world: StoryWorld) -> None:
    """the whole network works again"""
    world.network.heal()


@verb("lose PART LINK")
def _lose(world: StoryWorld, part: float, links: tuple[str, ...]) -> None:
    """so many packets are lost on that Link"""
    world.network.change(links, loss=part)


@verb("double PART LINK")
def _double(world: StoryWorld, part: float, links: tuple[str, ...]) -> None:
    """so many packets arrive twice"""
    world.network.change(links, doubled=part)


@verb("late PART TIME LINK")
def _late(world: StoryWorld, part: float, length_ns: int, links: tuple[str, ...]) -> None:
    """so many packets arrive up to that much later, and so in another order"""
    world.network.change(links, late=part, late_ns=length_ns)


@verb("delay TIME LINK")
def _delay(world: StoryWorld, length_ns: int, links: tuple[str, ...]) -> None:
    """every packet takes so long one way"""
    world.network.change(links, delay_ns=(length_ns, length_ns))


# Operators


@verb("switch GROUP", "switch GROUP TARGET", "switch GROUP TARGET at VOTER")
def _switch(world: StoryWorld, group: str, target: str = "", at: str = "") -> None:
    """an operator (at the first Node that runs, or there) wants the group on that Node, or on any other"""
    running = next((host.name for host in world.nodes if host.process is not None), "")
    if not (at or running):
        raise Impossible("no daemon runs that could be asked")
    world[at or running].order(ev.SwitchOrdered(world.next_order(), group, target, "operator"))


@verb("standby NODE")
def _standby(world: StoryWorld, name: str) -> None:
    """an operator orders that Node to own nothing"""
    world[name].order(ev.StandbyOrdered(True, "operator"))


@verb("online NODE")
def _online(world: StoryWorld, name: str) -> None:
    """and to own again"""
    world[name].order(ev.StandbyOrdered(False, "operator"))


@verb("maintenance TIME VOTER")
def _maintenance(world: StoryWorld, length_ns: int, name: str) -> None:
    """an operator at that voter orders maintenance of the cluster"""
    world[name].order(ev.MaintenanceOrdered(MaintenanceNote(0, length_ns, "cabling", "operator")))


@verb("maintenance-off VOTER")
def _maintenance_off(world: StoryWorld, name: str) -> None:
    """an operator at that voter ends it"""
    world[name].order(ev.MaintenanceOrdered(MaintenanceNote(0, 0, "", "operator")))


@verb("clear GROUP NODE")
def _clear(world: StoryWorld, group: str, name: str) -> None:
    """an operator has looked: what could not be stopped there is stopped"""
    world[name].order(ev.BlockCleared(group, "operator"))


@verb("window GROUP open|closed")
def _window(world: StoryWorld, group: str, state: str) -> None:
    """the time of day for `failback between` begins or ends, on every Node"""
    for host in world.nodes:
        host.order(ev.FailbackWindowChanged(group, state == "open"))


# Resources


@verb("crash RESOURCE NODE")
def _crash(world: StoryWorld, resource: str, name: str) -> None:
    """the service's process dies"""
    world.services_of(name).crash(resource)


@verb("end RESOURCE NODE")
def _end(world: StoryWorld, resource: str, name: str) -> None:
    """the service ends without a failure, by itself or because somebody stopped it"""
    world.services_of(name).end(resource)


@verb("start-by-hand RESOURCE NODE")
def _start_by_hand(world: StoryWorld, resource: str, name: str) -> None:
    """somebody starts the service without asking ha-monitor"""
    world.services_of(name).start_by_hand(resource)


@verb("agent RESOURCE NODE start|stop works|fails|hangs")
def _agent(world: StoryWorld, resource: str, name: str, operation: str, does: str) -> None:
    """what the command does from now on; one that hangs is given up after 3 s"""
    world.services_of(name).scripts[resource].does[operation] = does


@verb("agent RESOURCE NODE start|stop takes TIME")
def _agent_takes(world: StoryWorld, resource: str, name: str, operation: str, length_ns: int) -> None:
    """how long the command takes from now on (20 ms else)"""
    world.services_of(name).scripts[resource].takes_ns[operation] = length_ns


@verb("agent RESOURCE NODE status says running|stopped|failed|nothing|truth")
def _agent_says(world: StoryWorld, resource: str, name: str, word: str) -> None:
    """what `status` answers from now on, whatever is true; `nothing`: it hangs"""
    world.services_of(name).scripts[resource].says = SAYS.get(word)


# Addresses and the kernel


@verb("stranger ADDRESS", "stranger ADDRESS NODE")
def _stranger(world: StoryWorld, address: str, name: str = "") -> None:
    """a host outside of the cluster answers for that address (where that Node, or any, could hear it)"""
    for host in world.nodes:
        if name in ("", host.name):
            host.strangers[address] = STRANGER


@verb("stranger-gone ADDRESS")
def _stranger_gone(world: StoryWorld, address: str) -> None:
    """it does so no more"""
    for host in world.nodes:
        host.strangers.pop(address, None)


@verb("claim ADDRESS NODE")
def _claim(world: StoryWorld, address: str, name: str) -> None:
    """that Node hears a stranger announce the address as its own"""
    world[name].order(ev.CompetingClaimHeard(address, STRANGER))


@verb("remove-address ADDRESS NODE")
def _remove_address(world: StoryWorld, address: str, name: str) -> None:
    """somebody deletes the address from its device there"""
    world[name].order(ev.AddressRemoved(address))


@verb("protection kernel-lease|user-space-lease|best-effort NODE")
def _protection(world: StoryWorld, level: str, name: str) -> None:
    """what that Node's kernel enforces from now on"""
    protection = Protection[level.upper().replace("-", "_")]
    detail = "" if protection is Protection.KERNEL_LEASE else "the rules were removed"
    world[name].order(ev.ProtectionChanged(protection, detail))


# Old packets


@verb("replay MESSAGE VOTER VOTER")
def _replay(world: StoryWorld, kind: str, source: str, target: str) -> None:
    """the newest packet with such a message from the first voter to the second arrives again"""
    _send_again(world, _recorded(world, kind, source, target, is_former=False))


@verb("replay former MESSAGE VOTER VOTER")
def _replay_former(world: StoryWorld, kind: str, source: str, target: str) -> None:
    """the newest one of an earlier life of its sender"""
    _send_again(world, _recorded(world, kind, source, target, is_former=True))


@verb("smuggle MESSAGE VOTER VOTER")
def _smuggle(world: StoryWorld, kind: str, source: str, target: str) -> None:
    """the same message arrives past the seal, as if nothing else guarded against replays"""
    _put_past_the_seal(world, source, target, _recorded(world, kind, source, target, is_former=False), kind)


@verb("smuggle former MESSAGE VOTER VOTER")
def _smuggle_former(world: StoryWorld, kind: str, source: str, target: str) -> None:
    """the newest one of an earlier life of its sender, past the seal"""
    _put_past_the_seal(world, source, target, _recorded(world, kind, source, target, is_former=True), kind)


def _send_again(world: StoryWorld, packet: Packet) -> None:
    before = dict(world.rejected)
    world.carry(packet.source, packet.target, packet.link, packet.sealed)
    world.run(1)
    for reason, count in world.rejected.items():
        if count > before.get(reason, 0):
            world.tell(world.hosts[packet.target].name, f"packet refused ({reason})")


def _put_past_the_seal(world: StoryWorld, source: str, target: str, old: Packet, kind: str) -> None:
    process = world[target].process
    if process is None or world[source].process is None:
        raise Impossible(f"the daemons of {source} and {target} must both run")
    way = (world[source].index, world[target].index)
    fresh = next(p.heartbeat for p in reversed(world.recorded) if (p.source, p.target) == way)
    messages = tuple(m for m in old.heartbeat.messages if _is_kind(m, kind))
    heartbeat = replace(fresh, messages=messages, transitions=(), requests=())
    process.post(ev.HeartbeatReceived(heartbeat, process.now_ns()))
    world.run(1)


def _recorded(world: StoryWorld, kind: str, source: str, target: str, is_former: bool) -> Packet:
    way = (world[source].index, world[target].index)
    process = world[source].process
    life = process.core.situation.incarnation if process is not None else 0
    for packet in reversed(world.recorded):
        is_life = not is_former or packet.heartbeat.incarnation != life
        is_kind = any(_is_kind(m, kind) for m in packet.heartbeat.messages)
        if (packet.source, packet.target) == way and is_life and is_kind:
            return packet
    raise Impossible(f"{source} has sent no such {kind} to {target}")


def _is_kind(message: LeaseMessage, kind: str) -> bool:
    return type(message).__name__.upper() == kind and message.group != REPORTER
