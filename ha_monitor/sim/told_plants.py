"""Planted bugs in what a core decides, in what it tells, and in a restart.

With those of cluster_plants and mode_plants, CLUSTER_PLANTS here is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.model import NO_BALLOT, ClusterConfig, Run
from ha_monitor.sim.faults import Mix
from ha_monitor.sim.mode_plants import CLUSTER_PLANTS, ClusterPlant, planted
from ha_monitor.sim.shapes import as_pair

if TYPE_CHECKING:
    from ha_monitor.sim.cluster_host import ClusterHost
    from ha_monitor.sim.cluster_swarm import Climate
    from ha_monitor.sim.core_process import CoreProcess
    from ha_monitor.view import GroupView

__all__ = ["CLUSTER_PLANTS"]


class WhereGroupsMove(ClusterPlant):
    """Where groups have other Owners than the preferred one."""

    def climate(self, drawn: Climate) -> Climate:
        """By order and by failure."""
        return replace(drawn, mix=Mix(("switch", "power")))


def _change_groups(process: CoreProcess, change: Callable[[GroupView], GroupView]) -> None:
    """In every view that this core makes."""
    view = process.core.view
    process.core.view = lambda at_ns: replace(  # type: ignore[method-assign]
        (seen := view(at_ns)), groups=tuple(map(change, seen.groups))
    )


def _change_actions(process: CoreProcess, change: Callable[[ac.Action], Iterable[ac.Action]]) -> None:
    """In every step of this core; each action becomes what ``change`` makes of it."""
    step = process.core.step

    def changed(event: ev.Event, at_ns: int) -> tuple[ac.Action, ...]:
        return tuple(done for action in step(event, at_ns) for done in change(action))

    process.core.step = changed  # type: ignore[method-assign]


def _when_armed(process: CoreProcess, more: Callable[[ac.ArmWindow], list[ac.Action]]) -> None:
    """Something more is done with the asking for a Lease, before anybody granted it."""
    _change_actions(process, lambda a: [a, *more(a)] if isinstance(a, ac.ArmWindow) else [a])


@planted
class TellsThePreferred(WhereGroupsMove):
    """The preferred Node is told as the Owner."""

    name = "tells-the-preferred"

    def began(self, process: CoreProcess) -> None:
        """Whoever owns it."""
        groups = process.host.config.groups
        preferred = {group.name: group.prefer[0] for group in groups}
        _change_groups(process, lambda told: replace(told, owner=preferred.get(told.name, told.owner)))


@planted
class CountsTheFormer(WhereGroupsMove):
    """After a move the former Owner is counted as well."""

    name = "counts-the-former-owner"

    def began(self, process: CoreProcess) -> None:
        """As if it had not closed."""
        _change_groups(process, lambda told: replace(told, owners=told.owners + bool(told.last.node_from)))


@planted
class TellsClosed(WhereGroupsMove):
    """A Node that is not the preferred one tells that its addresses are closed."""

    name = "tells-closed"

    def began(self, process: CoreProcess) -> None:
        """Whatever its kernel does."""

        def told(group: GroupView) -> GroupView:
            closed = (replace(a, is_open=a.is_open and group.preferred) for a in group.addresses)
            return replace(group, addresses=tuple(closed))

        _change_groups(process, told)


@planted
class TellsTheNextEpoch(ClusterPlant):
    """A transition is told under an Epoch that nobody has won."""

    name = "tells-the-next-epoch"

    def began(self, process: CoreProcess) -> None:
        """One too many."""

        def told(action: ac.Action) -> list[ac.Action]:
            if isinstance(action, ac.ReportTransition) and action.epoch != NO_BALLOT:
                return [replace(action, epoch=action.epoch._replace(counter=action.epoch.counter + 1))]
            return [action]

        _change_actions(process, told)


@planted
class OpensWhenArmed(ClusterPlant):
    """An address opens with the asking for its Lease, before anybody granted it."""

    name = "opens-when-armed"

    def began(self, process: CoreProcess) -> None:
        """Do not wait for the votes."""
        addresses = {
            group.name: tuple(r.name for r in group.addresses) for group in process.host.config.groups
        }

        _when_armed(process, lambda arm: [ac.ActivateWindow(arm.group, addresses[arm.group], arm.sending)])


@planted
class StartsWhenArmed(ClusterPlant):
    """What runs on the Owner alone starts with the asking for the Lease, before anybody granted it."""

    name = "starts-when-armed"

    def climate(self, drawn: Climate) -> Climate:
        """With something that runs on the Owner alone."""
        groups = (replace(drawn.shape.groups[0], kind="queue"), *drawn.shape.groups[1:])
        return replace(drawn, shape=replace(drawn.shape, groups=groups))

    def began(self, process: CoreProcess) -> None:
        """Do not wait for the votes."""
        services = {
            group.name: [r.name for r in group.resources if r.run is Run.OWNER]
            for group in process.host.config.groups
        }

        _when_armed(
            process,
            lambda arm: [ac.StartResource(arm.group, name, 1, NO_BALLOT) for name in services[arm.group]],
        )


@planted
class ImpatientPing(ClusterPlant):
    """In mode `ping` a Node that reaches a target takes over from one that it hears."""

    name = "ping-while-heard"

    def climate(self, drawn: Climate) -> Climate:
        """A pair that hears each other."""
        return replace(drawn, shape=as_pair(drawn.shape, "ping"), mix=Mix(("switch", "crash")))

    def began(self, process: CoreProcess) -> None:
        """Everybody is silent, as far as it is concerned."""
        process.core.situation.votes._is_silent = lambda peer, at_ns: True  # type: ignore[method-assign]  # noqa: ARG005


@planted
class RestartsAsItWas(ClusterPlant):
    """A restarted core goes on with the configuration that its former life had."""

    name = "restarts-as-it-was"

    def climate(self, drawn: Climate) -> Climate:
        """The configuration changes."""
        return replace(drawn, mix=Mix(("reconfigure",)))

    def configuration(self, host: ClusterHost) -> ClusterConfig:
        """Not what stands on the disk."""
        return host.config
