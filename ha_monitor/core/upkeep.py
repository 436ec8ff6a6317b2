"""Resources between takeovers: start what should run here and does not, stop what runs without a Lease."""

from __future__ import annotations

from ha_monitor.core.groups import GroupRunner
from ha_monitor.core.resources import ResourceRecord
from ha_monitor.core.situation import Situation
from ha_monitor.model import GroupState, ResourceState


def keep_resources(situation: Situation, runner: GroupRunner, is_seeking: bool, at_ns: int) -> None:
    """Once per beat and group. ``is_seeking``: this Node holds the group's Lease or is about to."""
    votes = situation.votes
    is_able = votes.may_keep(at_ns) if runner.is_owner else votes.is_quorate(at_ns)
    if situation.in_maintenance(at_ns) or situation.is_stopping or not is_able:
        return
    is_up = runner.state in (GroupState.RUNNING, GroupState.DEGRADED)
    is_broken = False  # something left of here is down: what follows it waits until that is up again
    for record in runner.records.values():
        if record.is_address:
            continue
        if record.is_everywhere or (is_up and not is_broken):
            _restart(situation, runner, record, at_ns)
            is_broken = is_broken or (record.must_stop and record.state is not ResourceState.RUNNING)
        elif not is_up and runner.state is GroupState.STOPPED and not is_seeking:
            _stop_stray(situation, runner, record, at_ns)


def _restart(situation: Situation, runner: GroupRunner, record: ResourceRecord, at_ns: int) -> None:
    if record.may_restart(at_ns):
        detail = f" ({record.detail})" if record.detail else ""
        situation.log(f"resource {record.spec.name}: {record.state.value}, starting it{detail}", "warning")
        if record.state is ResourceState.STOPPED:
            record.note_failure(at_ns)
        runner.start_resource(record, at_ns)


def _stop_stray(situation: Situation, runner: GroupRunner, record: ResourceRecord, at_ns: int) -> None:
    if record.state is ResourceState.RUNNING and not record.operation:
        situation.log(f"resource {record.spec.name}: runs here without a Lease, stopping it", "warning")
        if runner.spec.exclusive:
            runner.end_stray(at_ns)
        else:
            runner.stop_resource(record, at_ns)
