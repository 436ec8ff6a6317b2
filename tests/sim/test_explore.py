"""Every state of a small world is visited, and every planted bug is met on the way."""

import json
import os

import pytest

from ha_monitor.cli.main import main
from ha_monitor.errors import UsageError
from ha_monitor.sim.explore import ROOTS, explore, plant_named, replay, root_state
from ha_monitor.sim.explore_freeze import START_NS, copied, freeze, restored
from ha_monitor.sim.explore_machine import Machine
from ha_monitor.sim.explore_moves import choices, follow
from ha_monitor.sim.explore_plants import EXPLORE_PLANTS, SOUND, Bounds
from ha_monitor.sim.explore_world import BEAT_NS, Choice, Machines, small_config
from ha_monitor.timebase import SECOND

STATES_LEAST = 100_000  # what the command covers by default


def simulate(*arguments):
    return main(["simulate", "--explore", *arguments])


@pytest.mark.timeout(1200)
def test_no_state_within_reach_has_two_owners_or_an_epoch_that_fell(capsys):
    assert simulate("--json", "--jobs", str(os.cpu_count() or 1)) == 0
    counts = json.loads(capsys.readouterr().out)
    assert set(counts) == {"states", "depth", "violations"}
    assert counts["violations"] == 0
    assert counts["depth"] == Bounds().depth
    assert counts["states"] >= STATES_LEAST


@pytest.mark.parametrize("name", EXPLORE_PLANTS)
def test_planted_bug_is_met_and_its_path_can_be_played_again(name):
    found = explore(plant_named(name))
    assert found.violations == 1
    violation = found.kept[0]
    numbers = ".".join(map(str, violation.path))
    command = f"ha-monitor simulate --explore --path {violation.root}:{numbers} --plant {name}"
    assert violation.command == command
    lines = list(replay(violation.root, violation.path, plant_named(name)))
    assert lines[-1] == f"BROKEN: {violation.what}"


def test_path_of_a_violation_is_told_and_played_by_the_command_that_is_printed(capsys):
    assert simulate("--plant", "always-open", "--jobs", "1") == 1
    told = capsys.readouterr().out.splitlines()
    command = next(line for line in told if "replay:" in line).split("ha-monitor simulate --explore ")[1]
    assert simulate(*command.split()) == 1
    again = capsys.readouterr().out.splitlines()
    assert again[-1] == f"BROKEN: {told[0]}"
    assert again[0].startswith("root start: start all")
    assert any(line.startswith("- round with the Nodes apart") for line in again)


def test_path_on_which_nothing_breaks_is_told_to_its_end(capsys):
    assert simulate("--path", "served:0.0") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all held"
    assert any("pub2" in line and "its kernel answers" in line for line in lines)


@pytest.mark.parametrize(
    "path", ["nowhere:1", "served:9999", "served:1,2"], ids=["root", "too-high", "not-numbers"]
)
def test_path_that_does_not_exist_is_wrong_use(path, capsys):
    assert simulate("--path", path) == 2
    assert "--path" in capsys.readouterr().err


def test_unknown_plant_is_wrong_use_and_lists_the_known_ones():
    with pytest.raises(UsageError, match="no-abstention"):
        plant_named("roses")


# What the exploration stands on


def served():
    machines = Machines(small_config(), SOUND)
    return machines, root_state(machines, "served", SOUND.bounds.budget)


def machine_of(machines, number):
    return restored(machines._copies[number])


def test_same_state_at_another_time_is_the_same_state():
    early, late = (Machine(small_config(), 0, START_NS + at_ns) for at_ns in (0, 1000 * SECOND))
    for machine in (early, late):
        machine.act("start", 0, 0, SOUND)
        machine.act("time", 0, BEAT_NS, SOUND)
    assert freeze(early, early.now_ns) == freeze(late, late.now_ns)


def test_state_one_nanosecond_later_is_another_state():
    machine = Machine(small_config(), 0, START_NS)
    machine.act("start", 0, 0, SOUND)
    before = freeze(machine, machine.now_ns)
    machine.act("time", 0, 1, SOUND)
    assert freeze(machine, machine.now_ns) != before


def test_what_a_voter_granted_and_what_a_core_holds_are_parts_of_the_state():
    machines, state = served()
    machine = machine_of(machines, state.machines[0])
    before = freeze(machine, machine.now_ns)
    seat = machine.core.situation.seat
    memory = seat._groups.pop("www")
    assert freeze(machine, machine.now_ns) != before
    seat._groups["www"] = memory
    assert freeze(machine, machine.now_ns) == before
    machine.core.tenures["www"].seeker.end_ns += 1
    assert freeze(machine, machine.now_ns) != before


def test_copy_goes_on_like_the_machine_that_was_copied():
    machines, state = served()
    one, other = (machine_of(machines, state.machines[0]) for _ in range(2))
    other = restored(copied(other))
    for machine in (one, other):
        machine.act("time", 0, BEAT_NS, SOUND)
    assert one.sent == other.sent
    assert freeze(one, one.now_ns) == freeze(other, other.now_ns)


def test_every_root_stands_where_its_name_says():
    owners = {}
    for root in ROOTS:
        machines = Machines(small_config(), SOUND)
        state = root_state(machines, root, SOUND.bounds.budget)
        facts = [machines.facts[number] for number in state.machines]
        owners[root] = [f.serves for f in facts], [f.is_paused for f in facts]
    assert owners == {
        "apart": ([True, False, False], [False] * 3),
        "served": ([True, False, False], [False] * 3),
        "start": ([False] * 3, [False] * 3),
        "silent": ([True, False, False], [False] * 3),
        "stalled": ([False] * 3, [True, False, False]),
    }


def test_what_may_happen_is_all_that_the_issue_names():
    machines, state = served()
    offered = set()
    for choice in choices(machines, state):
        offered.add("stall" if choice.stop else choice.what)
    expected = {"packet", "time", "stall", "pause", "crash", "kill all", "forget", "switch", "calm round"}
    assert expected <= offered
    crashed = follow(machines, state, Choice("crash", 2))
    assert Choice("start", 2) in set(choices(machines, crashed))
    paused = follow(machines, state, Choice("pause", 0))
    assert Choice("wake", 0) in set(choices(machines, paused))
    assert not any(c.what == "packet" and c.machine == 0 for c in choices(machines, paused))
