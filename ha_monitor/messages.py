"""What voters say to each other: the Heartbeat, and the Lease's messages that travel on it.

`wire` turns these into bytes and back; `core` makes and reads them; nobody else needs them.
The rules that give them their meaning are in docs/lease.md.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ha_monitor.model import NO_BALLOT, Ballot, Cause, GroupState, Hold, NodeState


class Answer(enum.Enum):
    """How a voter stands to a group's Lease."""

    OPEN = "open"
    HELD = "held"
    ABSTAIN = "abstain"


@dataclass(frozen=True)
class Ask:
    """Would you let me have it? Promises nothing. Carries the highest RELEASE known."""

    group: str
    released: Ballot = NO_BALLOT


@dataclass(frozen=True)
class Asked:
    """The answer to Ask. ``remaining_ns``: of the hold or of the abstention.

    ``epoch``: what is held when HELD, else the highest ballot promised here, so that the PREPARE that
    follows is higher at once.
    """

    group: str
    answer: Answer
    owner: int = 0  # voter index, when HELD
    epoch: Ballot = NO_BALLOT
    remaining_ns: int = 0
    released: Ballot = NO_BALLOT  # highest released ballot known here


@dataclass(frozen=True)
class Prepare:
    """Promise me this ballot."""

    group: str
    ballot: Ballot


@dataclass(frozen=True)
class Promise:
    """I promised it. ``voter_incarnation`` must be named in the Propose."""

    group: str
    ballot: Ballot
    voter_incarnation: int
    is_open: bool


@dataclass(frozen=True)
class Propose:
    """Grant me the Lease, or renew it. ``sending`` rises with each Propose of a core."""

    group: str
    ballot: Ballot
    sending: int
    voter_incarnation: int
    hold_ns: int


@dataclass(frozen=True)
class Accept:
    """Granted for that very ballot and sending."""

    group: str
    ballot: Ballot
    sending: int
    voter_incarnation: int


@dataclass(frozen=True)
class Refuse:
    """Not granted: ``asked`` is the ballot of the question, ``promised`` the one that stands against it."""

    group: str
    asked: Ballot
    promised: Ballot


@dataclass(frozen=True)
class Release:
    """The Owner closed and stopped.

    Whoever accepted this very ballot forgets it. ``successor`` -1: nobody named.
    """

    group: str
    ballot: Ballot
    successor: int
    cause: Cause


LeaseMessage = Ask | Asked | Prepare | Promise | Propose | Accept | Refuse | Release


@dataclass(frozen=True)
class SwitchRequest:
    """An operator's order on its way to the Owner; repeated on heartbeats until it is answered or expires."""

    order_id: int
    group: str
    target: int  # voter index, -1: any eligible


@dataclass(frozen=True)
class MaintenanceNote:
    """Maintenance of the cluster: the highest number wins. ``remaining_ns`` 0: off."""

    number: int
    remaining_ns: int = 0
    why: str = ""
    who: str = ""


@dataclass(frozen=True)
class TransitionNote:
    """A change of Owner as its maker stamped it; spread for some seconds so that every voter can tell it.

    ``at_ns``: the maker's wall clock. ``kind`` and ``cause`` are values of model.TransitionKind and
    model.Cause. ``phases_ms``: detect, stop, decide, start, total, as far as they apply.
    """

    ident: str
    group: str
    at_ns: int
    kind: str
    cause: str
    sentence: str
    node_from: str
    node_to: str
    epoch: str
    phases_ms: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class HoldNote:
    """Whether a group is held, and on which Node (voter index). The highest number wins; 0: never said."""

    number: int = 0
    hold: Hold = Hold.NONE
    node: int = -1


@dataclass(frozen=True)
class GroupReport:
    """How the sender stands to one group. ``epoch`` other than NO_BALLOT: it holds a *won* Lease."""

    group: str
    state: GroupState
    epoch: Ballot = NO_BALLOT
    is_eligible: bool = False
    reason: str = ""  # why not eligible, a short code such as `standby` or `nginx failed`
    is_open: bool = False  # its service addresses answer
    hold: HoldNote = HoldNote()


@dataclass(frozen=True)
class Heard:
    """What the sender hears of one voter on one Link."""

    voter: int
    link: str
    is_heard: bool


@dataclass(frozen=True)
class NodeReport:
    """What the sender says of itself, on every packet."""

    state: NodeState = NodeState.JOINING
    groups: tuple[GroupReport, ...] = ()
    heard: tuple[Heard, ...] = ()
    config_digest: str = ""
    version: str = ""
    stall_max_ms: int = 0
    uptime_s: int = 0
    maintenance: MaintenanceNote = MaintenanceNote(0)


@dataclass(frozen=True)
class Heartbeat:
    """One packet's content. The seal adds sequence, tag, and the addressing that the tag binds.

    ``incarnation``: this life of the sender's core. ``hears_incarnation``: the receiver's life that the
    sender hears, 0 if none: it must be the receiver's own before Lease messages are believed.
    ``echo_sent_ns``/``echo_held_ns``: the receiver's latest ``sent_ns`` on this Link as the sender saw it,
    and how long ago that was, so that the receiver knows the round trip without comparing clocks.
    """

    sender: int
    receiver: int
    link: str
    incarnation: int
    hears_incarnation: int
    sent_ns: int
    report: NodeReport
    messages: tuple[LeaseMessage, ...] = ()
    requests: tuple[SwitchRequest, ...] = ()
    transitions: tuple[TransitionNote, ...] = ()
    echo_sent_ns: int = 0
    echo_held_ns: int = 0
