"""Generated files: written, or compared with what stands there (``--check``)."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ha_monitor.errors import PrerequisiteError

SHOWN_MAX = 40  # lines of difference


def deliver(root: Path, files: Mapping[str, str], *, is_check: bool) -> int:
    """Write ``files`` (path below ``root`` to content), or compare: exit code 1 when something differs."""
    if is_check:
        return _compare(root, files)
    for name, text in files.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise PrerequisiteError(f"{path}: cannot be written: {error.strerror}") from None
        print(f"wrote {path}")
    return 0


def _compare(root: Path, files: Mapping[str, str]) -> int:
    differing = [name for name in files if _standing(root / name) != files[name]]
    for name in differing:
        lines = list(_difference(name, _standing(root / name), files[name]))
        sys.stderr.write("\n".join(lines[:SHOWN_MAX]) + "\n")
        if len(lines) > SHOWN_MAX:
            sys.stderr.write(f"... and {len(lines) - SHOWN_MAX} more lines\n")
    print(f"{len(differing)} of {len(files)} files differ from the catalogue and the configuration")
    return 1 if differing else 0


def _standing(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise PrerequisiteError(f"{path}: cannot be read: {error.strerror}") from None


def _difference(name: str, standing: str, wanted: str) -> Iterator[str]:
    return difflib.unified_diff(
        standing.splitlines(),
        wanted.splitlines(),
        f"{name} as it stands",
        f"{name} as it should be",
        lineterm="",
    )
