"""cluster.key: the secrets that seal Heartbeats. Made by `ha-monitor init`, the same on every voter.

One key per line, ``ID HEX64`` with the id from 0 to 255; ``#`` begins a comment. The first one seals, all are
accepted: keys are changed by adding the new one below, then moving it to the top, then removing the
old one, the file being everywhere the same before each next step.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ha_monitor.errors import MISSING, ConfigError, ConfigErrors

KEYS_MAX = 4
KEY_BYTES = 32
FILE_BYTES_MAX = 4096
_LINE = re.compile(r"(\d{1,3})\s+([0-9A-Fa-f]{64})")


@dataclass(frozen=True)
class ClusterKeys:
    """Keys by id in the file's order; the first seals."""

    keys: tuple[tuple[int, bytes], ...] = field(repr=False)

    @property
    def sealing(self) -> int:
        """The id of the key that seals."""
        return self.keys[0][0]


def load_keys(path: Path, owner: int = 0) -> ClusterKeys:
    """Read and check the file, its owner and mode too. Raises ConfigErrors."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        hint = "make it with `ha-monitor init`, or copy it from another host of this cluster"
        raise ConfigErrors([ConfigError(str(path), MISSING, "the cluster's key file", hint)]) from None
    except OSError as error:
        raise ConfigErrors([ConfigError(str(path), error.strerror, "a file that root can read")]) from error
    try:
        # Of the file that is open, not of the path: it could be exchanged in between.
        if errors := _owner_errors(path, os.fstat(descriptor), owner):
            raise ConfigErrors(errors)
        return parse_keys(os.read(descriptor, FILE_BYTES_MAX + 1), str(path))
    finally:
        os.close(descriptor)


def parse_keys(raw: bytes, name: str) -> ClusterKeys:
    """Check the content. Errors name the line, never what stands in it. Raises ConfigErrors."""
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigErrors([ConfigError(name, f"more than {FILE_BYTES_MAX} bytes", "a key file")])
    errors: list[ConfigError] = []
    keys: dict[int, bytes] = {}
    for number, line in enumerate(raw.decode(errors="replace").splitlines(), 1):
        content = line.split("#", 1)[0].strip()
        match = _LINE.fullmatch(content)
        if not content:
            continue
        if match is None or int(match[1]) > 255:
            expected = "an id from 0 to 255 and 64 hexadecimal digits"
            errors.append(ConfigError(f"{name} line {number}", f"{len(content)} characters", expected))
        elif int(match[1]) in keys:
            errors.append(ConfigError(f"{name} line {number}", f"id {match[1]}", "an id of its own"))
        elif (key := bytes.fromhex(match[2])) in keys.values() or len(set(key)) == 1:
            errors.append(ConfigError(f"{name} line {number}", f"id {match[1]}", "a secret of its own"))
        else:
            keys[int(match[1])] = key
    if not errors and not 0 < len(keys) <= KEYS_MAX:
        errors.append(ConfigError(name, f"{len(keys)} keys", f"from 1 to {KEYS_MAX} keys"))
    if errors:
        raise ConfigErrors(errors)
    return ClusterKeys(tuple(keys.items()))


def keys_text(keys: Sequence[tuple[int, bytes]]) -> str:
    """The file's content."""
    lines = [f"{ident} {key.hex()}" for ident, key in keys]
    head = (
        "# ha-monitor: secrets of the cluster. The first seals, all are accepted. The same on every host.\n"
    )
    return head + "".join(f"{line}\n" for line in lines)


def _owner_errors(path: Path, status: os.stat_result, owner: int) -> list[ConfigError]:
    errors = []
    if not stat.S_ISREG(status.st_mode):
        return [ConfigError(str(path), "something else", "a regular file")]
    if status.st_uid != owner:
        hint = f"run: chown root:root {path}"
        errors.append(ConfigError(str(path), f"owned by uid {status.st_uid}", "owned by root", hint))
    mode = stat.S_IMODE(status.st_mode)
    if mode not in (0o600, 0o400):
        hint = f"others could read or change the secrets; run: chmod 0600 {path}"
        errors.append(ConfigError(str(path), f"mode {mode:04o}", "mode 0600", hint))
    return errors
