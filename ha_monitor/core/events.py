"""What the core is told, in the past tense. The shell makes these, the core alone reads them."""

from __future__ import annotations

from dataclasses import dataclass

from ha_monitor.messages import Heartbeat, MaintenanceNote, TransitionNote
from ha_monitor.model import ResourceState


@dataclass(frozen=True)
class DeadlinePassed:
    """`next_deadline_ns` is over. The core measures by itself how late it was called."""


@dataclass(frozen=True)
class HeartbeatReceived:
    """An authenticated, fresh packet. ``arrived_ns``: when the kernel took it, on the Lease clock."""

    heartbeat: Heartbeat
    arrived_ns: int


@dataclass(frozen=True)
class PeerRefused:
    """The peer's kernel said that no process listens there: a hint, not a proof."""

    voter: int
    link: str


@dataclass(frozen=True)
class WindowArmed:
    """The kernel acknowledged (or refused) a sending number; `step`'s time was read after it."""

    group: str
    sending: int
    is_armed: bool


@dataclass(frozen=True)
class VoterStateSaved:
    """The voter's state reached tmpfs, or could not be written."""

    is_saved: bool


@dataclass(frozen=True)
class AddressClosed:
    """The addresses named in CloseAddresses are closed in the kernel and removed, acknowledged (or not)."""

    group: str
    is_closed: bool


@dataclass(frozen=True)
class DuplicateProbed:
    """The probe before the claim ended; ``mac`` is who answered for the address, empty if nobody."""

    group: str
    resource: str
    mac: str


@dataclass(frozen=True)
class CompetingClaimHeard:
    """Somebody outside the cluster announced one of our service addresses."""

    resource: str
    mac: str


@dataclass(frozen=True)
class AddressRemoved:
    """A service address vanished behind our back."""

    resource: str


@dataclass(frozen=True)
class CarrierChanged:
    """The device of a Link or of service addresses lost or regained its carrier."""

    link: str  # name of the Link on that device, or "" if it bears service addresses only
    resources: tuple[str, ...]  # service addresses on that device
    has_carrier: bool


@dataclass(frozen=True)
class ProtectionChanged:
    """What the kernel enforces now: see model.Protection; ``detail`` says why."""

    level: int
    detail: str


@dataclass(frozen=True)
class ResourceReported:
    """The worker probed, or an operation ended. ``operation``: probe, start or stop.

    ``operation_id`` repeats the action's; 0 for what the worker saw on its own (an exit, a periodic probe).
    ``took_ns``: how long the operation took. ``detail``: the agent's first line, for people.
    """

    group: str
    resource: str
    state: ResourceState
    operation: str
    operation_id: int
    took_ns: int
    detail: str = ""


@dataclass(frozen=True)
class GroupGuarded:
    """The guard watches over an exclusive group: what must run under its Lease may start now."""

    group: str


@dataclass(frozen=True)
class GroupEnded:
    """The guard proved that nothing of an exclusive group runs here, or could not yet (``detail`` says why).

    Also unasked: after a Lease that was not renewed in time. ``is_guard_gone``: nobody is left to prove it.
    """

    group: str
    is_ended: bool
    detail: str = ""
    is_guard_gone: bool = False


@dataclass(frozen=True)
class WorkerLost:
    """The worker process died or does not answer: Resource states are unknown until it is back."""


@dataclass(frozen=True)
class WorkerStarted:
    """A new worker begins: what was ordered while there was none has reached nobody."""


@dataclass(frozen=True)
class SwitchOrdered:
    """An operator at this Node wants the group on another one. ``target`` empty: any eligible."""

    order_id: int
    group: str
    target: str
    who: str


@dataclass(frozen=True)
class StandbyOrdered:
    """This Node shall own nothing (or may own again). Persisted by the shell."""

    is_standby: bool
    who: str


@dataclass(frozen=True)
class MaintenanceOrdered:
    """Maintenance of the cluster begins or ends; the core numbers it and spreads it."""

    note: MaintenanceNote


@dataclass(frozen=True)
class FailbackWindowChanged:
    """The group's `between` window opened or closed, by the local wall clock that only the shell sees."""

    group: str
    is_open: bool


@dataclass(frozen=True)
class BlockCleared:
    """An operator looked at a group: what could not be stopped here is stopped, a hold is answered."""

    group: str
    who: str


@dataclass(frozen=True)
class TransitionStamped:
    """The answer to ReportTransition: the shell gave it an identity and the wall clock's time."""

    note: TransitionNote


@dataclass(frozen=True)
class FenceEnded:
    """A FenceNode was carried out, with this outcome.

    ``is_off``: the Node's power is off and stays off, confirmed by every device of a level. ``detail``: the
    level and devices that did it, or why none did. ``operation_id`` repeats the action's.
    """

    node: str
    operation_id: int
    is_off: bool
    detail: str
    took_ns: int = 0


@dataclass(frozen=True)
class FenceOrdered:
    """An operator at this Node wants that Node powered off now. -> OrderAnswered when it is, or is not."""

    order_id: int
    node: str
    why: str
    who: str


@dataclass(frozen=True)
class FenceConfirmed:
    """An operator says that the Node is off and that its Resources run nowhere. -> OrderAnswered"""

    order_id: int
    node: str
    why: str
    who: str


@dataclass(frozen=True)
class FenceTested:
    """The periodic test of one device ended: its `monitor`, and its `status` for each Node it powers."""

    device: str
    is_working: bool
    detail: str


@dataclass(frozen=True)
class TargetsPinged:
    """What the ping targets answered. ``newest_ns``: when the newest answered request left, 0 for never."""

    reached: int
    targets: int
    newest_ns: int


@dataclass(frozen=True)
class StopOrdered:
    """This daemon shall end. ``hands_over`` False: planned restart, let go of nothing."""

    hands_over: bool
    cause: str = "daemon-stopped"  # a model.Cause value


Event = (
    DeadlinePassed
    | HeartbeatReceived
    | PeerRefused
    | WindowArmed
    | VoterStateSaved
    | AddressClosed
    | DuplicateProbed
    | CompetingClaimHeard
    | AddressRemoved
    | CarrierChanged
    | ProtectionChanged
    | ResourceReported
    | GroupGuarded
    | GroupEnded
    | WorkerLost
    | WorkerStarted
    | SwitchOrdered
    | StandbyOrdered
    | MaintenanceOrdered
    | FailbackWindowChanged
    | BlockCleared
    | TransitionStamped
    | FenceEnded
    | FenceOrdered
    | FenceConfirmed
    | FenceTested
    | TargetsPinged
    | StopOrdered
)
