"""The Lease in Spin: no reachable state has two Owners, every lock taken away shows, the code agrees."""

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ha_monitor.core.leases import LeaseSeeker
from ha_monitor.sim.bugs import (
    CarelessSeeker,
    ForgetfulSeat,
    GenerousSeat,
    LaxSeat,
    LifelessSeeker,
    UnmarkedLifelessSeat,
    UnmarkedSeat,
)
from tests.model.replaying import Differs, Replay
from tests.model.spin import search, simulation, trail

pytestmark = [
    pytest.mark.timeout(3000),
    pytest.mark.skipif(shutil.which("spin") is None, reason="needs Debian's spin"),
]


def bounds(ballots, sendings, crashes):
    return f"BALLOTS={ballots}", f"SENDINGS={sendings}", f"CRASHES={crashes}"


# The largest that end within the time that the tests have; docs/simulator.md names longer ones.
SEARCHED = {
    "four ballots, no crash": (bounds(4, 1, 0), 10_000_000),
    "three ballots, one crash": (bounds(3, 1, 1), 5_000_000),
    "two ballots, two sendings each, one crash": (bounds(2, 2, 1), 3_000_000),
}


# Locks that are taken away, one or two at once, and bounds within which that must show.
TAKEN_AWAY = {
    "a Lease counts from the arrival of its ACCEPT": (["FROM_ARRIVAL"], bounds(2, 2, 1)),
    "a voter reads its clock before it takes the packet": (["CLOCK_FIRST"], bounds(2, 2, 1)),
    "a late ACCEPT extends to a newer sending's end": (["LATE_EXTENDS"], bounds(2, 2, 1)),
    "ACCEPTs of different sendings are added up": (["ADDED_UP"], bounds(2, 2, 1)),
    "a RELEASE clears any ballot of its Owner": (["RELEASE_ANY"], bounds(3, 1, 0)),
    "the own vote is counted unasked": (["OWN_VOTE"], bounds(2, 2, 1)),
    "a voter without memory does not abstain": (["NO_ABSTENTION"], bounds(2, 2, 1)),
    "a voter says OPEN whatever it holds": (["ALWAYS_OPEN"], bounds(2, 2, 1)),
    "a ballot is used on after its Lease's end": (["USED_ON"], bounds(3, 2, 1)),
    "a ballot is used again after a restart": (["USED_AGAIN"], bounds(2, 2, 1)),
    "a Lease is adopted from HELD": (["ADOPTED"], bounds(2, 2, 1)),
    "the goodbye leaves before the kernel is closed": (["GOODBYE_FIRST"], bounds(2, 2, 1)),
    "goodbye for a core that is only slow": (["GOODBYE_FOR_THE_SLOW"], bounds(2, 2, 1)),
    "no restraint and no OPEN mark": (["CARELESS", "OPEN_MARK_IGNORED"], bounds(2, 1, 0)),
    "no incarnation and no OPEN mark": (["LIFE_IGNORED", "OPEN_MARK_IGNORED"], bounds(3, 1, 1)),
    "no incarnation and any ballot above": (["LIFE_IGNORED", "BALLOT_ABOVE"], bounds(3, 1, 1)),
}
# Deep violations come first when the choices are tried in the other order; compiling takes longest.
QUICK = ("-O0", "-DT_REVERSE")


def broken(where, names, limits):
    defines = (*limits, *(f"PLANT_{name}=1" for name in names))
    found = search(where, *defines, compiler=QUICK)
    assert found.errors == 1
    return trail(found, *defines)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """All of them, two side by side: what was found, as it comes."""

    def begin(task, *rest):
        return pool.submit(task, tmp_path_factory.mktemp("spin"), *rest)

    with ThreadPoolExecutor(2) as pool:
        searched = {name: begin(search, *defines) for name, (defines, _) in SEARCHED.items()}
        taken_away = {name: begin(broken, *lock) for name, lock in TAKEN_AWAY.items()}
        yield {**searched, **taken_away}


@pytest.mark.parametrize("name", SEARCHED)
def test_no_reachable_state_has_two_owners(name, found):
    _, least = SEARCHED[name]
    searched = found[name].result()
    assert searched.is_complete
    assert searched.errors == 0
    assert searched.states > least


@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_lock_that_is_taken_away_shows(name, found):
    assert found[name].result()[-1].split()[0] in ("WIN", "ADOPT")


@pytest.mark.parametrize("name", ["CARELESS", "OPEN_MARK_IGNORED", "LIFE_IGNORED", "BALLOT_ABOVE"])
def test_each_of_four_locks_is_covered_by_the_others(name, tmp_path):
    found = search(tmp_path, *bounds(2, 1, 1), f"PLANT_{name}=1", compiler=QUICK)
    assert found.is_complete
    assert found.errors == 0


# The model against the code


def played(lines, **classes):
    replay = Replay(**classes)
    replay.play(lines)
    return Counter(replay.played)


def test_code_answers_as_the_model_on_random_ways():
    counts = Counter()
    for seed in range(40):
        counts += played(simulation(Path(), seed, 400, *bounds(4, 3, 1)))
    kinds = {"BID", "SEND", "WIN", "LAPSE", "LET_GO", "TIME", "RELEASE", "PREPARE PROMISE", "PROPOSE ACCEPT"}
    assert kinds <= set(counts)


def test_code_refuses_what_the_model_refuses():
    counts = Counter()
    for seed in range(20):
        counts += played(simulation(Path(), seed, 1500, *bounds(3, 3, 1), "TALK"))
    kinds = {"PREPARE REFUSE", "PREPARE ABSTAIN", "PROPOSE REFUSE", "PROPOSE NOTHING", "PROPOSE ACCEPT"}
    assert kinds <= set(counts)


# The same bug in the model and in the code; the code as it stands leaves the way to two Owners.
BUGS_IN_BOTH = {
    "a RELEASE clears any ballot of its Owner": (ForgetfulSeat, LeaseSeeker),
    "a voter says OPEN whatever it holds": (GenerousSeat, LeaseSeeker),
    "no restraint and no OPEN mark": (UnmarkedSeat, CarelessSeeker),
    "no incarnation and no OPEN mark": (UnmarkedLifelessSeat, LifelessSeeker),
    "no incarnation and any ballot above": (LaxSeat, LifelessSeeker),
}


@pytest.mark.parametrize("name", BUGS_IN_BOTH)
def test_code_with_the_same_bug_follows_the_model_to_two_owners_and_without_it_does_not(name, tmp_path):
    lines = broken(tmp_path, *TAKEN_AWAY[name])
    seat, seeker = BUGS_IN_BOTH[name]
    assert played(lines, seat=seat, seeker=seeker)["WIN"] >= 2
    with pytest.raises(Differs):
        played(lines)


def test_replay_sees_an_answer_that_differs():
    lines = ["BID node 0 ballot 1 again 0", "PREPARE voter 2 ballot 1 -> PROMISE open 0"]
    with pytest.raises(Differs, match="line 1"):
        played(lines)
