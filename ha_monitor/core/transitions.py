"""Why a group has moved: cause, kind, one sentence, and how long each phase took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ha_monitor.core.actions import ReportTransition
from ha_monitor.model import NO_BALLOT, Ballot, Cause, TransitionKind
from ha_monitor.timebase import format_duration

KIND_BY_CAUSE: Mapping[Cause, TransitionKind] = {
    Cause.CLUSTER_STARTED: TransitionKind.PLANNED,
    Cause.DAEMON_STOPPED: TransitionKind.PLANNED,
    Cause.DAEMON_RESTARTED: TransitionKind.PLANNED,
    Cause.FAILBACK: TransitionKind.FAILBACK,
    Cause.SWITCHOVER_ORDERED: TransitionKind.OPERATOR,
    Cause.STANDBY_ORDERED: TransitionKind.OPERATOR,
}  # every other cause is a failure

SENTENCES: Mapping[Cause, str] = {
    Cause.CLUSTER_STARTED: "{to} started {group}: nobody owned it",
    Cause.NODE_SILENT: "{to} took over {group}: {by} was heard on no Link for {detect}",
    Cause.LEASE_LOST: "{to} took over {group}: {by} did not renew its Lease although it was heard",
    Cause.DAEMON_DIED: "{to} took over {group}: the daemon on {by} died, what was left of it released",
    Cause.DAEMON_STOPPED: "{to} took {group} from {by}, whose daemon was stopped",
    Cause.DAEMON_RESTARTED: "{to} took up {group} again after a restart of its daemon",
    Cause.CARRIER_LOST: "{to} took {group} from {by}, which lost the carrier of its service address",
    Cause.LINK_ISOLATED: "{to} took {group} from {by}, which hears nobody on the Link of its service address",
    Cause.RESOURCE_FAILED: "{to} took {group} from {by}, where a Resource failed",
    Cause.START_FAILED: "{to} took {group} from {by}, where it could not be started",
    Cause.STOP_FAILED: "{to} took {group} from {by} after a failed stop",
    Cause.ADDRESS_DUPLICATE: "{to} took {group} from {by}, which found its address in use by a stranger",
    Cause.STANDBY_ORDERED: "{to} took {group} from {by}, which was ordered into standby",
    Cause.SWITCHOVER_ORDERED: "{to} took {group} from {by}: an operator ordered it",
    Cause.FAILBACK: "{to} took {group} back from {by}: it is the preferred Node",
    Cause.NODE_FENCED: "{to} took over {group}: {by} was silent and is off, which was confirmed",
    Cause.HIGHER_EPOCH: "{to} took over {group}: {by} held an older Epoch",
}
HELD_NOTE = "{group} is held on {node} and asks: {why}"
FROZEN_NOTE = "{group} is frozen on {node} and asks: {why}"
RELEASED_TO_NOBODY = "{by} let go of {group} and no other Node takes it: {cause}"
WON_AGAIN = "{to} serves {group} again: it was interrupted, and nobody else took it meanwhile"


@dataclass
class Passage:
    """What is known of a group's way from one Owner to the next, gathered as it happens."""

    owner: str = ""  # the last Owner known
    epoch: Ballot = NO_BALLOT
    epoch_since_ns: int = 0  # since when this Epoch is known
    told_owner: str = ""  # the last Owner as voters told who were asked: one that was never heard itself
    told_epoch: Ballot = NO_BALLOT
    last_sign_ns: int = 0  # latest packet of that Owner
    stopping_ns: int = 0  # when it first said that it stops the group
    released_ns: int = 0
    released_cause: Cause | None = None
    seek_ns: int = 0
    won_ns: int = 0

    def see_owner(self, owner: str, epoch: Ballot, at_ns: int, is_stopping: bool) -> bool:
        """A Node says that it holds the Lease; True if that is news."""
        is_news = owner != self.owner
        self.last_sign_ns = at_ns
        if is_news or epoch != self.epoch:
            self.owner, self.epoch, self.epoch_since_ns = owner, epoch, at_ns
            self.stopping_ns = self.released_ns = 0
            self.released_cause = None
        if is_stopping and not self.stopping_ns:
            self.stopping_ns = at_ns
        return is_news

    def end_here(self, at_ns: int) -> None:
        """Service ends on this Node: if it comes back here, that was the last sign of it."""
        self.last_sign_ns = at_ns

    def see_told(self, owner: str, epoch: Ballot) -> None:
        """A majority told that this Node held the Lease: nobody was heard of it, perhaps."""
        if epoch > max(self.epoch, self.told_epoch):
            self.told_owner, self.told_epoch = owner, epoch

    @property
    def former(self) -> str:
        """Who had the group last, "" if nobody is known."""
        is_told = self.told_epoch > self.epoch and self.released_cause is None
        return self.told_owner if is_told else self.owner

    def see_release(self, owner: str, cause: Cause, at_ns: int) -> None:
        """The Owner, or its guard, released."""
        if self.released_cause is None:
            self.owner, self.released_ns, self.released_cause = owner, at_ns, cause

    def cause(self, is_owner_silent: bool, has_no_owner: bool) -> Cause:
        """Why the group is free, as far as this Node can tell."""
        if has_no_owner:
            return Cause.CLUSTER_STARTED
        if self.released_cause is not None:
            return self.released_cause
        return Cause.NODE_SILENT if is_owner_silent else Cause.LEASE_LOST

    def phases_ns(self, open_ns: int) -> tuple[tuple[str, int], ...]:
        """Lengths of the phases up to the opening here at ``open_ns``."""
        free_ns = self.released_ns or self.seek_ns
        begin_ns = self.stopping_ns or self.last_sign_ns or free_ns
        first = "stop" if self.released_ns else "detect"
        phases = {
            first: max(0, free_ns - begin_ns),
            "decide": max(0, self.won_ns - free_ns),
            "start": max(0, open_ns - self.won_ns),
        }
        return (*phases.items(), ("total", sum(phases.values())))


def is_ordered(cause: Cause) -> bool:
    """Whether somebody wanted this very move, or the start or stop that led to it."""
    return KIND_BY_CAUSE.get(cause) in (TransitionKind.PLANNED, TransitionKind.OPERATOR)


def tell(
    group: str, node: str, passage: Passage, cause: Cause, epoch: Ballot, open_ns: int
) -> ReportTransition:
    """The transition by which ``node`` became the Owner."""
    phases = passage.phases_ns(open_ns)
    before = "" if cause is Cause.CLUSTER_STARTED else passage.former
    text = WON_AGAIN if before == node and cause is Cause.LEASE_LOST else SENTENCES[cause]
    detect = format_duration(dict(phases).get("detect", 0))
    return ReportTransition(
        group=group,
        kind=KIND_BY_CAUSE.get(cause, TransitionKind.FAILURE),
        cause=cause,
        sentence=text.format(to=node, by=before, group=group, detect=detect),
        node_from=before,
        node_to=node,
        epoch=epoch,
        phases_ns=phases,
    )


def tell_released_to_nobody(group: str, node: str, cause: Cause, epoch: Ballot) -> ReportTransition:
    """The transition by which ``node`` gave the group up with nobody to follow."""
    return ReportTransition(
        group=group,
        kind=KIND_BY_CAUSE.get(cause, TransitionKind.FAILURE),
        cause=cause,
        sentence=RELEASED_TO_NOBODY.format(by=node, group=group, cause=cause.value),
        node_from=node,
        node_to="",
        epoch=epoch,
        phases_ns=(),
    )


def tell_hold(group: str, node: str, cause: Cause, why: str, epoch: Ballot) -> ReportTransition:
    """No move: the group stays with ``node``, or only that Node may start it, until somebody looked."""
    text = FROZEN_NOTE if cause is Cause.LIVELOCK else HELD_NOTE
    return ReportTransition(
        group=group,
        kind=TransitionKind.FAILURE,
        cause=cause,
        sentence=text.format(group=group, node=node, why=why),
        node_from=node,
        node_to=node,
        epoch=epoch,
        phases_ns=(),
    )
