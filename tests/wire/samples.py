"""Heartbeats for the wire's tests: a plain one, the largest of a pair, and a hypothesis strategy for any."""

from __future__ import annotations

from hypothesis import strategies as st

from ha_monitor.errors import PacketRejected
from ha_monitor.messages import (
    Accept,
    Answer,
    Ask,
    Asked,
    GroupReport,
    Heard,
    Heartbeat,
    HoldNote,
    MaintenanceNote,
    NodeReport,
    Prepare,
    Promise,
    Propose,
    Refuse,
    Release,
    SwitchRequest,
    TransitionNote,
)
from ha_monitor.model import Ballot, Cause, GroupState, Hold, NodeState, TransitionKind
from ha_monitor.wire.seal import Endpoint, Keyring, Opener, Sealer

MS = 1_000_000
KEY = bytes(range(32))
RING = Keyring({1: KEY}, 1)
LIVES = {0: 0xA0, 1: 0xB0, 2: 0xC0}
LINKS = ("lan", "direct")


def beat(sender=0, receiver=1, link="lan", sent_ns=1, **changes):
    """A Heartbeat between voters that know each other's lives."""
    fields = {
        "incarnation": LIVES[sender],
        "hears_incarnation": LIVES[receiver],
        "report": NodeReport(),
        "echo_sent_ns": 0,
    }
    return Heartbeat(sender=sender, receiver=receiver, link=link, sent_ns=sent_ns, **{**fields, **changes})


def refusal(call, *args, **kwargs):
    """Why the packet was refused, or None; any other error goes through."""
    try:
        call(*args, **kwargs)
    except PacketRejected as rejection:
        return rejection.reason
    return None


def sealer(cluster="web", ring=RING):
    return Sealer(cluster, ring)


def opener(receiver=1, cluster="web", ring=RING, incarnation=None):
    return Opener(
        cluster,
        ring,
        receiver=receiver,
        incarnation=LIVES[receiver] if incarnation is None else incarnation,
        peers=[voter for voter in LIVES if voter != receiver],
        links=LINKS,
        interval_ns=100 * MS,
    )


def endpoint(voter, **changes):
    return Endpoint(sealer(), opener(receiver=voter, **changes))


def full_beat(groups=8, reason="", name="group-{}"):
    """What a Node of a pair says at worst: a report of every group, a renewal and an answer for each."""
    names = [name.format(number) for number in range(groups)]
    ballot = Ballot(2**62, 1, 2**63)
    report = NodeReport(
        state=NodeState.ONLINE,
        groups=tuple(
            GroupReport(name, GroupState.RUNNING, ballot, is_eligible=True, reason=reason, is_open=True)
            for name in names
        ),
        heard=tuple(Heard(voter, link, True) for voter in (1, 2) for link in LINKS),
        config_digest="0123456789abcdef",
        version="0.1.0",
        maintenance=MaintenanceNote(7, 10**13, "kernel upgrade on both", "root"),
    )
    asks = tuple(Propose(name, ballot, 2**63, 2**63, 10**9) for name in names)
    answers = tuple(Accept(name, ballot, 2**63, 2**63) for name in names)
    return beat(report=report, messages=asks + answers, requests=(SwitchRequest(1, names[0], -1),))


_u64 = st.integers(0, 2**64 - 1)
_u32 = st.integers(0, 2**32 - 1)
_voter = st.integers(0, 255)
_flag = st.booleans()
_names = st.sampled_from(["www", "db", "_reporter", "g" * 32])
_ballots = st.builds(Ballot, _u64, _voter, _u64)


def _text(most):
    return st.text(st.characters(codec="utf-8"), max_size=most // 4)


messages = st.one_of(
    st.builds(Ask, _names, _ballots),
    st.builds(Asked, _names, st.sampled_from(Answer), _voter, _ballots, _u64, _ballots),
    st.builds(Prepare, _names, _ballots),
    st.builds(Promise, _names, _ballots, _u64, _flag),
    st.builds(Propose, _names, _ballots, _u64, _u64, _u64),
    st.builds(Accept, _names, _ballots, _u64, _u64),
    st.builds(Refuse, _names, _ballots, _ballots),
    st.builds(Release, _names, _ballots, st.integers(-1, 127), st.sampled_from(Cause)),
)
reports = st.builds(
    NodeReport,
    state=st.sampled_from(NodeState),
    groups=st.lists(
        st.builds(
            GroupReport,
            _names,
            st.sampled_from(GroupState),
            _ballots,
            _flag,
            _text(40),
            _flag,
            st.builds(HoldNote, _u32, st.sampled_from(Hold), st.integers(-1, 127)),
        ),
        max_size=4,
    ).map(tuple),
    heard=st.lists(st.builds(Heard, _voter, st.sampled_from(LINKS), _flag), max_size=4).map(tuple),
    config_digest=_text(16),
    version=_text(24),
    stall_max_ms=_u32,
    uptime_s=_u32,
    maintenance=st.builds(MaintenanceNote, _u64, _u64, _text(80), _text(32)),
)
transitions = st.builds(
    TransitionNote,
    _text(128),
    _names,
    _u64,
    st.sampled_from([kind.value for kind in TransitionKind]),
    st.sampled_from([cause.value for cause in Cause]),
    _text(240),
    _text(63),
    _text(63),
    _text(64),
    st.lists(
        st.tuples(st.sampled_from(["detect", "total"]), st.floats(allow_nan=False, allow_infinity=False)),
        max_size=3,
    ).map(tuple),
)
heartbeats = st.builds(
    beat,
    link=st.sampled_from(LINKS),
    sent_ns=_u64,
    hears_incarnation=_u64,
    report=reports,
    messages=st.lists(messages, max_size=8).map(tuple),
    requests=st.lists(st.builds(SwitchRequest, _u64, _names, st.integers(-1, 127)), max_size=2).map(tuple),
    transitions=st.lists(transitions, max_size=2).map(tuple),
    echo_sent_ns=_u64,
    echo_held_ns=_u64,
)
