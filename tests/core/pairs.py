"""Pairs without a Witness for tests of the core: a fence agent, ping targets, and Nodes that boot anew."""

from __future__ import annotations

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.core.voter import VoterSeat
from ha_monitor.model import ClusterConfig, FenceDevice, FenceStep, Fencing, Quorum
from ha_monitor.timebase import MS, SECOND
from tests.core.world import World, pair, voter, www

FENCE_NS = 300 * MS
FENCING = Fencing(
    devices=(FenceDevice("ipmi-2", "/fence"), FenceDevice("ipmi-3", "/fence")),
    levels={"pub2": ((FenceStep("ipmi-2"),),), "pub3": ((FenceStep("ipmi-3"),),)},
    delay_ns=2 * SECOND,
)


def fencing_pair(*groups, fencing=FENCING):
    nodes, groups = pair().nodes, groups or (www(),)
    return ClusterConfig("web", nodes, None, groups, digest="d", quorum=Quorum.FENCING, fencing=fencing)


def ping_pair(*groups):
    target = voter(9, "router", lan="192.0.2.1").addresses["lan"]
    nodes, groups = pair().nodes, groups or (www(),)
    return ClusterConfig("web", nodes, None, groups, digest="d", quorum=Quorum.PING, ping=(target,))


class PairWorld(World):
    """``fence_works``: what the agents do; ``reaching``: who gets answers from the target."""

    def __init__(self, config):
        self.fence_works, self.fence_ns = True, FENCE_NS
        self.fenced = []  # (when, by whom, whom, only asked)
        self.reaching = {"pub2", "pub3"}
        self.may_double = False
        super().__init__(config)
        self._test_devices()

    def _test_devices(self):
        for device in self.config.fencing.devices:
            for member in self.members:
                self.post(MS, member.index, ev.FenceTested(device.name, self.fence_works, "tested"))

    def fence(self, index, action):
        by = self.members[index].core.situation.me.name
        self.fenced.append((self.now_ns, by, action.node, action.only_ask))
        is_off = self.fence_works
        if self.fence_works and not action.only_ask:
            self.power_off(action.node)
        if action.only_ask:
            is_off = self.fence_works and not self[action.node].is_up
        told = ev.FenceEnded(action.node, action.operation_id, is_off, "the agent's word", self.fence_ns)
        self.post(self.fence_ns, index, told)

    def run(self, seconds):
        """With a ping every quarter of a second from who reaches the target."""
        if not self.config.ping:
            super().run(seconds)
            return
        end_ns = self.now_ns + int(seconds * SECOND)
        while self.now_ns < end_ns:
            for member in self.members:
                name = member.core.situation.me.name
                if member.is_up:
                    reached = int(name in self.reaching)
                    newest_ns = self.now_ns if reached else 0
                    self.post(MS, member.index, ev.TargetsPinged(reached, 1, newest_ns))
            super().run(min(SECOND // 4, end_ns - self.now_ns) / SECOND)

    def check_single_owner(self):
        if not self.may_double:
            super().check_single_owner()

    def boot(self, name):
        """Power on: no memory of the voter is left, so it abstains."""
        index = self.config.voter(name).index
        seat = VoterSeat(index, next(self.incarnations), self.now_ns + SECOND, 1 << 40, 10 * SECOND)
        self.start_again(name, seat)

    def restart_core(self, name):
        """The same boot: the voter's memory is there."""
        state = self[name].seat.dump()
        self.start_again(name, VoterSeat.load(state, self.config.voter(name).index, 10 * SECOND))

    def fences_by(self, name):
        return [(node, only_ask) for _, by, node, only_ask in self.fenced if by == name]


def fence_orders(member):
    return member.of(ac.FenceNode)


def outage_ns(world, least_s=0.0, most_s=30.0):
    """How long nobody serves from now on; a world that never serves again fails the test."""
    start_ns = world.now_ns
    while not world.owners():
        world.run(0.05)
        assert world.now_ns < start_ns + most_s * SECOND, "nobody took over"
    assert world.now_ns >= start_ns + least_s * SECOND
    return world.now_ns - start_ns
