"""The checked configuration as its reader hands it over: one JSON object, see `config_child`."""

from __future__ import annotations

import json

from ha_monitor.model import ClusterConfig
from ha_monitor.plain import from_plain
from ha_monitor.runtime.children import Account
from ha_monitor.wire.seal import Keyring


def split_keys(told: bytes) -> tuple[bytes, bytes]:
    """Configuration and keys as two texts: the publisher gets the first and never sees the second."""
    both = json.loads(told)
    return json.dumps(both["config"]).encode(), json.dumps(both["keys"]).encode()


def account_of(told: bytes) -> Account:
    """As whom the publisher runs: known by now, so that its start asks nobody who could hang or fail."""
    uid, gid, groups = json.loads(told)["account"]
    return Account(uid, gid, tuple(groups))


def config_of(text: bytes) -> ClusterConfig:
    """The configuration of the first text."""
    return from_plain(json.loads(text))


def keyring_of(text: bytes) -> Keyring:
    """The keys of the second text: all open packets, the first one seals."""
    keys = {int(ident): bytes.fromhex(key) for ident, key in json.loads(text)}
    return Keyring(keys, next(iter(keys)))
