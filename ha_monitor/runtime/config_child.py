"""The short-lived child that reads both files for guard and core.

    python -m ha_monitor.runtime.config_child

It also asks the name service as whom the publisher runs: that can hang, or fail, as a disk can.
Prints one JSON object, ``{"config": ..., "keys": [[id, hex], ...], "account": [uid, gid, [gid, ...]]}``, to
standard output and ends with 0; or prints every error to standard error, one per line, and ends with 2. Its
standard output is memory of the guard: the keys are in it.
"""

from __future__ import annotations

import json
import sys

from ha_monitor import paths
from ha_monitor.config import load_config
from ha_monitor.config_keys import load_keys
from ha_monitor.errors import ConfigErrors, PrerequisiteError
from ha_monitor.plain import to_plain
from ha_monitor.runtime.accounts import publisher_account


def main() -> int:
    """Exit code 0, or 2 with the errors told."""
    errors: list[str] = []
    config = keys = account = None
    try:
        config = load_config(paths.etc_dir() / "cluster.toml")
        account = publisher_account(config)
    except (ConfigErrors, PrerequisiteError) as error:
        errors.append(str(error))
    try:
        keys = load_keys(paths.etc_dir() / "cluster.key")
    except ConfigErrors as error:
        errors.append(str(error))
    if config is None or keys is None or account is None:
        sys.stderr.write("\n".join(errors) + "\n")
        return 2
    told = {
        "config": to_plain(config),
        "keys": [[ident, key.hex()] for ident, key in keys.keys],
        "account": [account.uid, account.gid, list(account.groups)],
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
