"""A checker that never failed proves nothing: a planted bug is known for each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import ha_monitor.sim
from tests.sim import test_cluster_swarm, test_lease_swarm

ENDINGS = ("Broken", "Published")  # of the names of what checkers raise
EXPLORED = "explore"  # has plants of its own, see test_explore


def sentences() -> Iterator[str]:
    """What the simulator's checkers say, values left out."""
    for path in Path(ha_monitor.sim.__file__).parent.glob("*.py"):
        if not path.name.startswith(EXPLORED):
            yield from (said(node) for node in ast.walk(ast.parse(path.read_text())) if is_verdict(node))


def is_verdict(node: ast.AST) -> bool:
    """Whether a checker's error is raised here."""
    match node:
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name))):
            return name.endswith(ENDINGS)
    return False


def said(verdict: ast.Raise) -> str:
    match verdict.exc.args[0]:
        case ast.Constant(value=text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)


def test_each_checker_is_the_one_that_finds_some_planted_bug():
    finds = [*test_cluster_swarm.FINDS.values(), *test_lease_swarm.FINDS.values()]
    told = [find.sentence.replace("2 Owners", "{} Owners") for find in finds]
    unproven = [line for line in sentences() if not any(part in line for part in told)]
    assert unproven == []


def test_no_checker_is_overlooked():
    found = list(sentences())
    assert len(found) >= 22
    assert len(set(found)) == len(found)
