"""What may happen next in a state of the explored world, and what each of it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ha_monitor.model import NO_BALLOT
from ha_monitor.sim.explore_plants import Budget
from ha_monitor.sim.explore_world import (
    BEAT_NS,
    FLOOR_STEP,
    IN_FLIGHT_MAX,
    ROUND_STEPS_MAX,
    Choice,
    Facts,
    Machines,
    Packet,
    State,
    Step,
)

NODES = (0, 1)
WITNESS = 2
# A round: everything arrives in order, then time passes; except on these ways.
ROUNDS: dict[str, frozenset[tuple[int, int]]] = {
    "calm round": frozenset(),
    "round without pub2": frozenset({(0, 1), (1, 0), (0, 2), (2, 0)}),
    "round without pub3": frozenset({(0, 1), (1, 0), (1, 2), (2, 1)}),
    "round without mon": frozenset({(2, 1), (1, 2), (0, 2), (2, 0)}),
    "round with the Nodes apart": frozenset({(0, 1), (1, 0)}),
}
DEATHS = ("crash", "kill all", "forget")


class Broken(Exception):
    """What must hold does not, in words."""


def choices(machines: Machines, state: State) -> Iterator[Choice]:
    """Everything that may happen next."""
    for what in ROUNDS:
        yield Choice(what)
    arrivals = [Choice("packet", p.target, p) for p in _deliverable(machines, state)]
    yield from _with_stalls(machines, state, arrivals)
    yield Choice("time")
    yield from _with_stalls(machines, state, _timers(machines, state), is_plain=False)
    for index, number in enumerate(state.machines):
        yield from _choices_of(machines, state, index, machines.facts[number])


def _choices_of(machines: Machines, state: State, index: int, facts: Facts) -> Iterator[Choice]:
    if facts.todo:
        yield Choice(facts.todo[0], index)
    if not facts.is_alive:
        return
    if facts.is_paused:
        yield from _with_stalls(machines, state, [Choice("wake", index)])
    elif state.budget.stalls:
        yield Choice("pause", index)
    if state.budget.deaths:
        yield from (Choice(what, index) for what in DEATHS if what != "kill all" or index != WITNESS)
    if state.budget.orders and facts.holds and not facts.is_paused:
        yield from _with_stalls(machines, state, [Choice("switch", index)])


def _deliverable(machines: Machines, state: State) -> Iterator[Packet]:
    for packet in state.flight:
        facts = machines.facts[state.machines[packet.target]]
        if facts.is_alive and not facts.is_paused:
            yield packet


def _timers(machines: Machines, state: State) -> Iterator[Choice]:
    """Whose timer is due at the next moment, and could stand still while it acts on it."""
    wait_ns = _wait_ns(machines, state)
    for index, number in enumerate(state.machines):
        if machines.facts[number].due_in_ns == wait_ns:
            yield Choice("time", index)


def _with_stalls(
    machines: Machines, state: State, plain: Iterable[Choice], is_plain: bool = True
) -> Iterator[Choice]:
    for choice in plain:
        if is_plain:
            yield choice
        if state.budget.stalls:
            points = _own_step(machines, state, choice, 0).points
            yield from (choice._replace(stop=stop) for stop in range(1, len(points) + 1))


def _own_step(machines: Machines, state: State, choice: Choice, stop: int) -> Step:
    number = state.machines[choice.machine]
    if choice.what == "packet":
        return machines.step(number, "packet", stop, packet=choice.packet)
    extra = _wait_ns(machines, state) if choice.what == "time" else 0
    return machines.step(number, choice.what, stop, extra)


def _wait_ns(machines: Machines, state: State) -> int:
    """How long until the next moment at which something is due."""
    due = (machines.facts[number].due_in_ns for number in state.machines)
    return min((ns for ns in due if ns is not None), default=BEAT_NS)


def follow(machines: Machines, state: State, choice: Choice) -> State:
    """What the choice leads to. Raises Broken if that must not be."""
    if choice.what in ROUNDS:
        return _round(machines, state, ROUNDS[choice.what])
    if choice.what == "time":
        return _time(machines, state, choice.machine, choice.stop)
    budget = _spend(state.budget, choice)
    starts = state.starts
    if choice.what == "packet":
        assert choice.packet is not None, "a packet arrives"
        flight = list(state.flight)
        flight.remove(choice.packet)
        state = state._replace(flight=tuple(flight))
        step = _own_step(machines, state, choice, choice.stop)
    elif choice.what == "start":
        step = machines.step(state.machines[choice.machine], "start", choice.stop, (starts + 1) * FLOOR_STEP)
        starts += 1
    else:
        step = _own_step(machines, state, choice, choice.stop)
    return after_step(machines, state._replace(budget=budget, starts=starts), choice.machine, step)


def _spend(budget: Budget, choice: Choice) -> Budget:
    if choice.what in DEATHS:
        return budget._replace(deaths=budget.deaths - 1)
    if choice.what == "switch":
        budget = budget._replace(orders=budget.orders - 1)
    if choice.what == "pause" or choice.stop:
        budget = budget._replace(stalls=budget.stalls - 1)
    return budget


def _time(machines: Machines, state: State, stalled: int = -1, stop: int = 0) -> State:
    wait_ns = _wait_ns(machines, state)
    flight = tuple(packet._replace(age_ns=packet.age_ns + wait_ns) for packet in state.flight)
    state = state._replace(flight=flight)
    if stop:
        state = state._replace(budget=state.budget._replace(stalls=state.budget.stalls - 1))
    numbers = state.machines
    for index, number in enumerate(numbers):
        step = machines.step(number, "time", stop if index == stalled else 0, wait_ns)
        state = after_step(machines, state, index, step, is_judged=index == WITNESS)
    return state


def _round(machines: Machines, state: State, cut: frozenset[tuple[int, int]]) -> State:
    for _ in range(ROUND_STEPS_MAX):
        packets = sorted(state.flight, key=lambda packet: (-packet.age_ns, packet))
        if not packets:
            return _time(machines, state)
        packet = packets[0]
        facts = machines.facts[state.machines[packet.target]]
        if (packet.source, packet.target) not in cut and facts.is_alive and not facts.is_paused:
            state = follow(machines, state, Choice("packet", packet.target, packet))
        else:
            state = state._replace(flight=tuple(p for p in state.flight if p is not packet))
    raise Broken("packets answer each other without end")


def stall(machines: Machines, state: State, point: str) -> State:
    """Packets arrive in order until one would bring somebody past that POINT: there it stands still."""
    while state.flight:
        packet = min(state.flight, key=lambda packet: (-packet.age_ns, packet))
        arrival = Choice("packet", packet.target, packet)
        points = _own_step(machines, state, arrival, 0).points
        if point in points:
            return follow(machines, state, arrival._replace(stop=points.index(point) + 1))
        state = follow(machines, state, arrival)
    raise AssertionError(f"nobody comes to the point {point}")


def after_step(machines: Machines, state: State, index: int, step: Step, is_judged: bool = True) -> State:
    """The world after a machine's step. Raises Broken if that must not be."""
    before = state.machines
    numbers = list(before)
    numbers[index] = step.machine
    flight = state.flight
    for target, content in step.packets:
        flight = _sent(flight, Packet(index, target, content, 0))
    epoch = machines.facts[step.machine].epoch
    if epoch not in (NO_BALLOT, machines.facts[before[index]].epoch):
        if epoch <= state.epoch:
            raise Broken(f"Epoch {epoch} was won after {state.epoch}")
        state = state._replace(epoch=epoch)
    after = State(tuple(numbers), flight, state.budget, state.epoch, state.starts)
    if is_judged:
        judge(machines, after)
    return after


def _sent(flight: tuple[Packet, ...], packet: Packet) -> tuple[Packet, ...]:
    same_way = [p for p in flight if p[:2] == packet[:2]]
    if len(same_way) >= IN_FLIGHT_MAX:
        oldest = max(same_way, key=lambda p: p.age_ns)
        flight = tuple(p for p in flight if p is not oldest)
    return tuple(sorted((*flight, packet)))


def judge(machines: Machines, state: State) -> None:
    """At most one kernel answers, at most one core holds an unexpired Lease. Raises Broken."""
    facts = [machines.facts[state.machines[index]] for index in NODES]
    if all(f.serves for f in facts):
        raise Broken("both kernels answer for the address")
    if all(f.holds for f in facts):
        raise Broken("both cores hold the Lease")
