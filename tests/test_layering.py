"""The direction of imports is a test, not a wish: who may know whom, and who may touch the world.

By syntax tree over every file of the package, imports inside functions and under TYPE_CHECKING included.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONFIG = {
    "config",
    "config_exclusive",
    "config_fencing",
    "config_groups",
    "config_keys",
    "config_table",
}
NOUNS = {"model", "messages", "view", "errors", "timebase"}
PURE = {"core", "wire", "publish", *NOUNS - {"timebase"}, "plain"}
NEVER_IN_PURE = set(
    """asyncio concurrent ctypes fcntl http logging multiprocessing os pathlib random secrets select selectors
    shutil signal socket sqlite3 subprocess sys tempfile threading time urllib""".split()  # noqa: SIM905 (a list of words)
)
CLOCKS = {"lease_clock_ns", "wall_clock_ns"}  # the readers in timebase

# What a part may import of ours. A part that is not named here is a new one: decide, and write it down.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "timebase": set(),
    "paths": set(),
    "view": set(),
    "model": {"timebase"},
    "messages": {"model"},
    "plain": {"model"},
    **{part: {"model", "errors", "timebase", "plain", "paths", *CONFIG} for part in CONFIG},
    "client": {"view", "errors", "paths"},
    "core": NOUNS,
    "wire": NOUNS,
    "publish": NOUNS,
    "net": {"model", "errors", "timebase"},
    "agents": {"model", "errors", "timebase"},
    "fence": {"agents", "model", "errors", "timebase"},
    "sinks": {*NOUNS, "publish", "paths"},
    "provision": {*NOUNS, "publish", "paths", *CONFIG, "plain"},
    "runtime": {*NOUNS, *PURE, "paths", "net", "agents", "fence", "sinks", *CONFIG},
    "sim": {*NOUNS, "core", "wire", "publish", *CONFIG},
    "lab": {*NOUNS, "paths", "client", "publish", "provision", "plain", *CONFIG},
    "cli": {
        *NOUNS,
        *PURE,
        "paths",
        "client",
        "net",
        "agents",
        "fence",
        "sinks",
        "provision",
        "runtime",
        "sim",
        "lab",
        *CONFIG,
    },
    "plugin": {"client", "view", "errors"},
    "plugins": {"client", "view", "errors", "plugin"},
}
STANDARD_LIBRARY_ONLY = {*PURE, *NOUNS, *CONFIG, "net", "client", "paths"}


def part_of(path: Path) -> str:
    """The top-level package or module of ours that a file belongs to."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def imported(tree: ast.AST) -> Iterable[tuple[str, str]]:
    """Every import as (module, name), with an empty name for ``import module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def violations(part: str, source: str) -> list[str]:
    """What a file of that part may not import."""
    found = []
    for module, name in imported(ast.parse(source)):
        top, _, rest = module.partition(".")
        if top == "ha_monitor":
            target = rest.partition(".")[0] or name
            if target not in MAY_IMPORT[part] | {part, "", "__version__"}:
                found.append(f"{part} imports {target}")
            if part in PURE and name in CLOCKS:
                found.append(f"{part} reads a clock: {name}")
            continue
        if part in PURE and top in NEVER_IN_PURE:
            found.append(f"{part} imports {top}")
        if part in STANDARD_LIBRARY_ONLY and top not in sys.stdlib_module_names:
            found.append(f"{part} imports {top}, which is not in the standard library")
    return found


def files() -> list[tuple[str, Path]]:
    package = ROOT / "ha_monitor"
    own = [
        (part_of(path.relative_to(package)), path)
        for path in package.rglob("*.py")
        if path.parent != package or path.stem != "__init__"
    ]
    return own + [("plugins", path) for path in (ROOT / "plugins").glob("check_ha_*")]


def test_every_part_has_its_rule():
    assert {part for part, _ in files()} <= set(MAY_IMPORT)


def test_no_file_imports_what_its_part_may_not():
    found = [
        f"{path.relative_to(ROOT)}: {violation}"
        for part, path in files()
        for violation in violations(part, path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("part", "line", "violation"),
    [
        ("core", "import time", "core imports time"),
        ("core", "def f():\n    from os import path", "core imports os"),
        ("wire", "import socket", "wire imports socket"),
        ("publish", "import logging.handlers", "publish imports logging"),
        ("core", "from ha_monitor.timebase import lease_clock_ns", "core reads a clock: lease_clock_ns"),
        ("core", "from ha_monitor.net import lease", "core imports net"),
        ("wire", "from ha_monitor import core", "wire imports core"),
        ("net", "from ha_monitor.core.events import Event", "net imports core"),
        ("net", "import pyroute2", "net imports pyroute2, which is not in the standard library"),
        ("runtime", "from ha_monitor.cli import main", "runtime imports cli"),
        ("runtime", "from ha_monitor.lab.lab import Lab", "runtime imports lab"),
        ("sim", "import ha_monitor.runtime.guard", "sim imports runtime"),
        ("client", "import ha_monitor.runtime.guard", "client imports runtime"),
        ("model", "import msgspec", "model imports msgspec, which is not in the standard library"),
        ("plugins", "from ha_monitor.core import cluster", "plugins imports core"),
    ],
)
def test_a_planted_violation_is_found(part, line, violation):
    assert violations(part, line) == [violation]


def test_what_is_allowed_is_not_reported():
    assert violations("core", "from ha_monitor.model import Group\nfrom ha_monitor.core import events") == []
    assert violations("runtime", "import os\nimport dbus_fast\nfrom ha_monitor.net import lease") == []


def third_party_after(statement: str) -> list[str]:
    """Top-level modules, neither ours nor the standard library's, that a fresh process holds afterwards."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    tops = {name.partition(".")[0] for name in done.stdout.split()}
    return sorted(tops - set(sys.stdlib_module_names) - {"ha_monitor"})


CORE_PROCESS = [
    "ha_monitor.runtime.core_process",
    "ha_monitor.runtime.guard",
    "ha_monitor.plain",
    "ha_monitor.client",
    "ha_monitor.core",
    "ha_monitor.wire.seal",
    "ha_monitor.net.service_address",
]


@pytest.mark.parametrize("module", CORE_PROCESS)
def test_guard_and_core_load_no_third_party_module(module):
    assert third_party_after(f"import {module}") == []


def test_a_planted_third_party_module_is_found():
    assert "pytest" in third_party_after("import pytest")


def test_the_pure_core_loads_no_asyncio():
    code = (
        "import sys, ha_monitor.core, ha_monitor.wire.seal, ha_monitor.plain; print('asyncio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"
