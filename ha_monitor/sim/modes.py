"""Which quorum mode and which fence devices a drawn cluster has, as the text of its cluster.toml."""

from __future__ import annotations

import random

# Of all seeds; the rest has a Witness or three Nodes and more.
PAIR_WITH_FENCING, PAIR_WITH_PING, SINGLE = 0.14, 0.06, 0.03
DATA_WITH_DEVICES = 0.5  # of the clusters with exclusive groups in the other modes
QUORUMS = {
    "": "",
    "fencing": 'quorum = "fencing"\n',
    "ping": 'quorum = "ping"\nping = ["192.0.2.1"]\n',
    "single": "",
}
DELAYS = ("0s", "100ms", "200ms", "400ms", "400ms", "1s")


def draw_quorum(rng: random.Random) -> str:
    """The mode's name where it must be said, "" for a Witness or a majority of Nodes."""
    part = rng.random()
    for mode, share in (("fencing", PAIR_WITH_FENCING), ("ping", PAIR_WITH_PING), ("single", SINGLE)):
        if part < share:
            return mode
        part -= share
    return ""


def draw_fencing(rng: random.Random, names: tuple[str, ...]) -> str:
    """Devices for every Node, in one level or two; some levels take two of them."""
    boards = [f"board-{name}" for name in names]
    levels = rng.choice((1, 2, 2, 3))
    strips = ("strip-a", "strip-b") if levels > 1 else ()
    favour = f'favour = "{rng.choice(names)}"\n' if rng.random() < 0.4 else ""
    of_node = "".join(_levels(name, plug, levels) for plug, name in enumerate(names, 1))
    devices = "".join(_device(name, rng.choice(("1s", "2s"))) for name in (*boards, *strips))
    return f'[fencing]\ndelay = "{rng.choice(DELAYS)}"\n{favour}{devices}[fencing.levels]\n{of_node}'


def _device(name: str, timeout: str) -> str:
    return f'[fencing.devices.{name}]\nagent = "fence_sim"\ntimeout = "{timeout}"\n'


def _levels(name: str, plug: int, levels: int) -> str:
    board, strips = f'["board-{name}"]', f'["strip-a:{plug}", "strip-b:{plug}"]'
    return f"{name} = [{', '.join((board, strips, board)[:levels])}]\n"
