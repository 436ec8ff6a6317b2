"""Whether an import would change anything: Zabbix's own comparison, without differences of mere order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def is_change(comparison: Mapping[str, Any] | list[Any]) -> bool:
    """Read ``configuration.importcompare``: kinds of objects, each with added, removed, updated.

    Zabbix keeps macros, tags and widgets in its own order and calls another one an update.
    """
    if not isinstance(comparison, Mapping):
        return bool(comparison)  # nothing differs: an empty list
    return any(_kind_changed(changes) for changes in comparison.values())


def _kind_changed(changes: Mapping[str, Any]) -> bool:
    if changes.get("added") or changes.get("removed"):
        return True
    return any(_entry_changed(entry) for entry in changes.get("updated", ()))


def _entry_changed(entry: Mapping[str, Any]) -> bool:
    if _canonical(entry["before"]) != _canonical(entry["after"]):
        return True
    return is_change({kind: changes for kind, changes in entry.items() if kind not in {"before", "after"}})


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
