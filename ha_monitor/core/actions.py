"""What the core wants done, as imperatives. The shell carries them out in the order given.

Actions marked *at once* are done by the core process itself before the next event is taken (raw
netlink, tmpfs, a socket: microseconds); if they answer, the answer is the very next event. The
others are begun, and
their outcome comes back later as an event.
"""

from __future__ import annotations

from dataclasses import dataclass

from ha_monitor.messages import Heartbeat, MaintenanceNote
from ha_monitor.model import Ballot, Cause, TransitionKind


@dataclass(frozen=True)
class SaveVoterState:
    """At once: write the voter's state to tmpfs, before any answer built on it is sent.

    -> VoterStateSaved only on failure.
    """

    state: bytes


@dataclass(frozen=True)
class SendHeartbeat:
    """At once: seal and send. Nothing comes back; a full socket counts as a lost packet."""

    heartbeat: Heartbeat


@dataclass(frozen=True)
class ArmWindow:
    """At once: let the kernel know ``sending`` for ``timeout_ns``.

    -> WindowArmed, with the time read after the ack.
    """

    group: str
    sending: int
    timeout_ns: int


@dataclass(frozen=True)
class AddAddresses:
    """At once: put the group's service addresses on their devices, closed."""

    group: str


@dataclass(frozen=True)
class ActivateWindow:
    """At once: let these service addresses (Resource names) pass as long as ``sending`` is armed."""

    group: str
    resources: tuple[str, ...]
    sending: int


@dataclass(frozen=True)
class Announce:
    """At once, then on its schedule: tell the neighbours who has these addresses. Begins anew if it runs."""

    group: str
    resources: tuple[str, ...]


@dataclass(frozen=True)
class CloseAddresses:
    """At once: close these addresses in the kernel, end announcements, remove them. -> AddressClosed"""

    group: str
    resources: tuple[str, ...]


@dataclass(frozen=True)
class RepairAddress:
    """At once: put back an address that vanished, and announce it."""

    group: str
    resource: str


@dataclass(frozen=True)
class ProbeDuplicate:
    """Ask the network whether a stranger has the address, for at most 10 ms.

    -> DuplicateProbed for each Resource.
    """

    group: str
    resources: tuple[str, ...]


@dataclass(frozen=True)
class StartResource:
    """Begin to start it (start it only if it does not run). -> ResourceReported. Environment: the Epoch."""

    group: str
    resource: str
    operation_id: int
    epoch: Ballot


@dataclass(frozen=True)
class StopResource:
    """Begin to stop it. -> ResourceReported; only a proved stop is STOPPED."""

    group: str
    resource: str
    operation_id: int


@dataclass(frozen=True)
class ProbeResource:
    """Probe now, beside the periodic probes. -> ResourceReported."""

    group: str
    resource: str
    operation_id: int


@dataclass(frozen=True)
class FenceNode:
    """Begin to power that Node off, level by level, or only to ask whether it is off. -> FenceEnded"""

    node: str
    operation_id: int
    only_ask: bool
    why: str


@dataclass(frozen=True)
class GuardGroup:
    """At once: tell the guard until when the Lease of an exclusive group holds. It ends the group after that.

    ``is_new``: it is asked to watch, and nothing may start before -> GroupGuarded.
    """

    group: str
    until_ns: int
    is_new: bool


@dataclass(frozen=True)
class EndGroup:
    """Have the guard end an exclusive group now, or prove that it is ended. -> GroupEnded"""

    group: str


@dataclass(frozen=True)
class PrepareGoodbye:
    """At once: seal these under reserved sequences and hand them to the guard; replaces what it had.

    Each carries the Releases that hold once this core is reaped and its addresses are closed. Empty:
    nobody could take over, so the guard restarts the core instead.
    """

    heartbeats: tuple[Heartbeat, ...]


@dataclass(frozen=True)
class SaveEpoch:
    """Begin to write the highest ballot counter to disk, beside the takeover; nothing waits for it."""

    counter: int


@dataclass(frozen=True)
class SaveMaintenance:
    """Begin to remember the cluster's maintenance over a restart."""

    note: MaintenanceNote


@dataclass(frozen=True)
class SaveStandby:
    """Begin to remember this Node's standby over a restart."""

    is_standby: bool


@dataclass(frozen=True)
class ReportTransition:
    """A group moved, started or stopped: told to people and to both monitoring systems, never lost.

    At once -> TransitionStamped.
    Phases in ns: lengths of what passed between the last sign of the old Owner and the opening here.
    ``node_from``/``node_to`` empty: nobody.
    """

    group: str
    kind: TransitionKind
    cause: Cause
    sentence: str
    node_from: str
    node_to: str
    epoch: Ballot
    phases_ns: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Log:
    """One line for the journal: a change with its reason. ``level``: info, warning or error."""

    level: str
    line: str


@dataclass(frozen=True)
class OrderAnswered:
    """An operator's order was refused, or carried out as far as this Node can see."""

    order_id: int
    is_done: bool
    reason: str


@dataclass(frozen=True)
class Exit:
    """At once: this core has let go of all that it must; end the process."""

    code: int


Action = (
    SaveVoterState
    | SendHeartbeat
    | ArmWindow
    | AddAddresses
    | ActivateWindow
    | Announce
    | CloseAddresses
    | RepairAddress
    | ProbeDuplicate
    | StartResource
    | StopResource
    | ProbeResource
    | FenceNode
    | GuardGroup
    | EndGroup
    | PrepareGoodbye
    | SaveEpoch
    | SaveMaintenance
    | SaveStandby
    | ReportTransition
    | Log
    | OrderAnswered
    | Exit
)
