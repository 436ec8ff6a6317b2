"""Fencing beside a Witness: it shortens a hold, and unasked it is for exclusive groups only."""

from ha_monitor.core import events as ev
from ha_monitor.messages import Answer, Asked
from ha_monitor.timebase import MS, SECOND
from tests.core.pairs import FENCING, PairWorld, fence_orders, outage_ns
from tests.core.world import World, command, pair, vip, www


def test_a_fence_ends_the_hold_at_once_and_no_vote_is_given():
    world = PairWorld(pair(fencing=FENCING))
    world.run(4)
    assert world.owners() == ["pub2"]
    world.power_off("pub2")
    world.run(0.05)
    world.order("pub3", ev.FenceOrdered(7, "pub2", "smoke", "anna"))
    took_ns = outage_ns(world)
    assert world.owners() == ["pub3"]
    assert took_ns < 0.6 * SECOND, "well before the Lease of 1 s is over"
    assert not world["pub3"].core.situation.votes.standing.given


def test_a_voter_that_goes_on_naming_an_older_ballot_of_a_fenced_life_is_not_asked_at_once_again():
    """Seed 9666 of the simulator: an ASK tells the highest release only, each answer brought another."""
    world = PairWorld(pair(fencing=FENCING))
    world.run(4)
    world.power_off("pub2")
    world.run(0.05)
    world.order("pub3", ev.FenceOrdered(7, "pub2", "smoke", "anna"))
    outage_ns(world)
    tenure, mon = world["pub3"].core.tenures["www"], world["mon"].core.situation.me.index
    fenced = tenure.seeker.released
    assert fenced.node == 0, "a ballot of pub2"
    for ballot in (fenced, fenced._replace(counter=fenced.counter - 1)):
        tenure.seeker.ask_again_ns = later_ns = world.now_ns + SECOND
        tenure.take_answer(mon, Asked("www", Answer.HELD, 0, ballot, 200 * MS), world.now_ns)
        assert tenure.seeker.ask_again_ns == later_ns
    tenure.take_answer(mon, Asked("www", Answer.HELD, 0, fenced._replace(counter=fenced.counter + 1)), 1)
    assert tenure.seeker.ask_again_ns == 0, "one that is news is told to all at once"


def test_nobody_is_fenced_unasked():
    world = World(pair(fencing=FENCING))
    world.run(4)
    world.power_off("pub2")
    world.run(10)
    assert world.owners() == ["pub3"]
    assert fence_orders(world["pub3"]) == []


def exclusive_world(**settings):
    group = www(command("db"), vip(), exclusive=True, stop_within_ns=8 * SECOND)
    world = PairWorld(pair(group, fencing=FENCING, **settings))
    world.run(4)
    assert world.owners() == ["pub2"]
    return world


def test_the_silent_owner_of_an_exclusive_group_is_fenced_unasked():
    world = exclusive_world()
    world.separate("pub2", "pub3")
    world.separate("pub2", "mon")
    world.run(4)
    assert world.owners() == ["pub3"], "the hold of 9 s ended with the fence"
    assert world.fences_by("pub3") == [("pub2", False)]
    assert world.fences_by("pub2") == [], "without a majority it fences nobody"


def test_a_fence_that_fails_leaves_the_hold_to_run_out():
    world = exclusive_world()
    world.fence_works = False
    world.power_off("pub2")
    world["pub2"].services.clear()
    outage_ns(world, least_s=8, most_s=14)
    assert world.owners() == ["pub3"]
