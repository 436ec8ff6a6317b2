"""What is heard of a group's last Owner, by others if not from itself, and why it has the group no more."""

from __future__ import annotations

from ha_monitor.core.candidacy import NO_RELEASE, Candidacy
from ha_monitor.core.leases import LeaseSeeker
from ha_monitor.core.situation import Situation
from ha_monitor.core.transitions import Passage
from ha_monitor.messages import Ask, Asked
from ha_monitor.model import Ballot, Cause, Group, NodeState


class Hearsay:
    """One group's, on one Node."""

    def __init__(
        self, situation: Situation, spec: Group, seeker: LeaseSeeker, passage: Passage, candidacy: Candidacy
    ) -> None:
        self.situation = situation
        self.spec = spec
        self.seeker = seeker
        self.passage = passage
        self.candidacy = candidacy

    def see_fenced(self, at_ns: int) -> None:
        """A life is over: what voters hold for it ends like after a RELEASE, told with the next ASK."""
        held = self.situation.seat.held(self.spec.name, at_ns)
        told = self.seeker.holder(at_ns)
        for grant in (held, told):
            if grant is not None:
                self.hear_of_fenced(grant[1], at_ns)
        owner = next((p for p in self.situation.node_peers if p.voter.name == self.passage.owner), None)
        if owner is not None and (owner.voter.index, owner.incarnation) in self.situation.fenced:
            self.hear_of_fenced(self.passage.epoch, at_ns)
            self.passage.released_cause = Cause.NODE_FENCED
            self.candidacy.successor_named = NO_RELEASE

    def hear_of_fenced(self, ballot: Ballot, at_ns: int) -> None:
        """A voter holds the group for that ballot: over, if it belongs to a life that was fenced."""
        if (ballot.node, ballot.incarnation) not in self.situation.fenced:
            return
        self.situation.seat.answer(self.situation.me.index, Ask(self.spec.name, ballot), at_ns)
        if ballot > self.seeker.released:  # an ASK tells the highest: a lower one ends by its time
            self.seeker.hear_release(ballot)
            self.seeker.ask_again_ns = 0  # what voters refused before is out of date

    def hear_of_owner(self, told: Asked) -> None:
        """Of one that was never heard itself: it was cut off from here and not from that voter."""
        nodes = {node.index: node.name for node in self.situation.config.nodes}
        if told.owner != self.situation.me.index and self.seeker.is_surely_held(told.epoch):
            self.passage.see_told(nodes.get(told.owner, ""), told.epoch)

    def recall_own_vote(self) -> None:
        """The own voter granted it to a Node that was not heard since: these two votes may have won it."""
        grant, config = self.situation.seat.memory(self.spec.name).accepted, self.situation.config
        if grant is not None and len({grant.owner, self.situation.me.index}) >= config.majority:
            self.passage.see_told(config.voters[grant.owner].name, grant.ballot)

    def learn_of_former_life(self, at_ns: int) -> None:
        """A core that knows of no Owner may hear from voters that it was its own former life."""
        told, me = self.seeker.holder(at_ns), self.situation.me
        if told is not None and told[0] == me.index and not self.passage.owner:
            self.passage.owner = me.name

    def cause(self, at_ns: int) -> Cause:
        """Why the group is free, or was before somebody else took it."""
        former = self.passage.former
        owner = next((p for p in self.situation.node_peers if p.voter.name == former), None)
        is_silent = (
            owner is not None
            and owner.state in (NodeState.JOINING, NodeState.SUSPECT, NodeState.LOST)
            and not owner.is_heard(at_ns)
        )
        return self.passage.cause(is_silent, not former)
