"""How a story looks at the world: `show` puts what is published into the trace, `expect` ends a false story.

An expectation says what the story is about in a form that no rewriting of traces can change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ha_monitor.model import Cause, ResourceState
from ha_monitor.publish.snapshot import Snapshot, snapshots, tells_cluster
from ha_monitor.sim.story_words import Form
from ha_monitor.sim.story_world import StoryWorld
from ha_monitor.timebase import MS, format_duration
from ha_monitor.view import View

Look = Callable[..., None]
LOOKS: list[Form] = []


class NotSo(Exception):
    """What was expected is not so: the text says what is."""


def _look(*usages: str) -> Callable[[Look], Look]:
    def enter(do: Look) -> Look:
        meaning = (do.__doc__ or "").strip()
        LOOKS.extend(Form(usage, meaning, do) for usage in usages)
        return do

    return enter


def _views(world: StoryWorld) -> Iterator[View]:
    for host in world.hosts:
        if host.process is not None:
            yield host.process.core.view(host.process.now_ns())


def _view(world: StoryWorld, name: str) -> View:
    found = next((view for view in _views(world) if view.self_name == name), None)
    if found is None:
        raise NotSo(f"no daemon runs on {name}")
    return found


def _speaker(world: StoryWorld) -> View | None:
    return next((view for view in _views(world) if tells_cluster(view)), None)


# show


@_look("show cluster")
def _show_cluster(world: StoryWorld) -> None:
    """the cluster's state with its reason, and who tells it"""
    speakers = [view for view in _views(world) if tells_cluster(view)]
    for view in speakers:
        reason = f" ({view.state_reason})" if view.state_reason else ""
        world.tell("cluster", f"{view.state}{reason}, told by {view.self_name}")
    if not speakers:
        world.tell("cluster", "nobody tells")


@_look("show group GROUP VOTER")
def _show_group(world: StoryWorld, group: str, name: str) -> None:
    """a group as that voter sees it: state, Owner, who else could have it, failback"""
    view = next(g for g in _view(world, name).groups if g.name == group)
    owner = f"{view.state} on {view.owner}" if view.owner else "no Owner"
    could = f"could go to {', '.join(view.candidates)}" if view.candidates else "nobody else could take it"
    pending = "" if not view.failback_pending else ", failback pending"
    world.tell(name, f"{group} {owner}, {could}{pending}")


@_look("explain GROUP VOTER")
def _explain(world: StoryWorld, group: str, name: str) -> None:
    """what `ha-monitor explain` says there"""
    view = next(g for g in _view(world, name).groups if g.name == group)
    for sentence in view.explain:
        world.tell(name, sentence)


@_look("show fact FACT")
def _show_fact(world: StoryWorld, ident: str) -> None:
    """that fact as it is published now, by everybody who tells it"""
    found = False
    for _, snapshot in _snapshots(world):
        for told in snapshot.told:
            if ident in told.values:
                found = True
                subject = " ".join(("", *told.names))
                world.tell(snapshot.host, f"{ident}{subject} = {told.values[ident]}")
    if not found:
        raise NotSo(f"nobody tells a fact {ident}")


def _snapshots(world: StoryWorld) -> Iterator[tuple[str, Snapshot]]:
    for view in _views(world):
        for snapshot in snapshots(view):
            yield view.self_name, snapshot


@_look("show votes GROUP")
def _show_votes(world: StoryWorld, group: str) -> None:
    """what each voter has granted of that group, and how long it still holds"""
    for host in world.hosts:
        if host.process is None:
            world.tell(host.name, "no voter")
            continue
        now_ns, seat = host.process.now_ns(), host.process.core.situation.seat
        held = seat.held(group, now_ns)
        what = "abstaining" if seat.is_abstaining(now_ns) else f"{group} granted to nobody"
        if held is not None:
            number = world.epoch_numbers.get((group, held[1]), 0)
            epoch = f"Epoch {number}" if number else "an Epoch that was not won"
            left = format_duration(held[2] // (10 * MS) * 10 * MS)
            what = f"{group} granted to {world.hosts[held[0]].name} ({epoch}, {left} left)"
        world.tell(host.name, what)


# expect


@_look("expect WHAT on NODE...", "expect WHAT on nobody")
def _expect_on(world: StoryWorld, what: str, names: tuple[str, ...] = ()) -> None:
    """a group's addresses are answered, or a Resource truly runs, exactly there"""
    groups = {group.name: [r.name for r in group.addresses] for group in world.config.groups}
    if groups.get(what):
        answering = world.answering()
        for address in groups[what]:
            _must_be(f"{address} of {what} is answered by", tuple(answering[address]), names)
        return
    if what in groups:
        raise NotSo(f"{what} has no address: expect one of its Resources")
    running = [h.name for h in world.nodes if h.services.states[what] is ResourceState.RUNNING and h.is_on]
    _must_be(f"{what} runs on", tuple(running), names)


def _must_be(what: str, found: tuple[str, ...], names: tuple[str, ...]) -> None:
    if set(found) != set(names):
        raise NotSo(f"{what} {' and '.join(found) or 'nobody'}, not {' and '.join(names) or 'nobody'}")


@_look("expect GROUP stays")
def _expect_stays(world: StoryWorld, group: str) -> None:
    """in this block its addresses were answered by the same host all the time"""
    if group in world.stirred:
        raise NotSo(f"{group} was not answered by the same host all the time")


@_look("expect gap GROUP below TIME")
def _expect_gap(world: StoryWorld, group: str, bound_ns: int) -> None:
    """in this block nobody answered for at most so long at a time"""
    gap_ns = world.gap_ns(group)
    if gap_ns >= bound_ns:
        raise NotSo(f"nobody answered for {group} during {format_duration(gap_ns)}")


@_look("expect cause GROUP CAUSE")
def _expect_cause(world: StoryWorld, group: str, cause: Cause) -> None:
    """the group's last transition had that cause"""
    found = world.causes.get(group, "none")
    if found != cause.value:
        raise NotSo(f"the last transition of {group} has the cause {found}")


@_look("expect VOTER sees VOTER STATE")
def _expect_sees(world: StoryWorld, name: str, other: str, state: str) -> None:
    """that voter calls the other one so"""
    node = next(node for node in _view(world, name).nodes if node.name == other)
    if node.state != state:
        raise NotSo(f"{name} sees {other} {node.state}")


@_look("expect cluster CLUSTER-STATE")
def _expect_cluster(world: StoryWorld, state: str) -> None:
    """the cluster's state as it is published"""
    view = _speaker(world)
    if view is None or view.state != state:
        raise NotSo(f"it is {view.state} ({view.state_reason})" if view else "nobody tells it")


@_look("expect order done|refused")
def _expect_order(world: StoryWorld, outcome: str) -> None:
    """the last order of an operator was taken, or refused"""
    if not world.orders:
        raise NotSo("no order was answered")
    _, is_done, reason = world.orders[-1]
    if is_done != (outcome == "done"):
        raise NotSo(f"it was {'done' if is_done else 'refused'}: {reason}")


@_look("expect fact FACT VALUE VOTER")
def _expect_fact(world: StoryWorld, ident: str, value: str, name: str) -> None:
    """that voter publishes the fact with that value (of every subject that it tells it of)"""
    values = [
        str(told.values[ident])
        for teller, snapshot in _snapshots(world)
        if teller == name
        for told in snapshot.told
        if ident in told.values
    ]
    if not values or set(values) != {value}:
        raise NotSo(f"{name} tells {', '.join(values) or 'nothing'}")
