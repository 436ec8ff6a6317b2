"""The dashboard inside each template: states on top, then what happened, then measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ha_monitor.provision.yaml_text import Yaml
from ha_monitor.publish.declare import HostKind
from ha_monitor.publish.facts import EVENT_KEY

COLUMNS = 24
SIMPLE_GRAPH_PROTOTYPE = "3"  # of an item prototype; "2" is a graph prototype's

# In percent of the tile's height. The tile's head names the item: only its value is shown below, small
# enough for a word with its number in brackets.
_TILE_LOOKS: tuple[Yaml, ...] = tuple(
    {"type": "INTEGER", "name": name, "value": value}
    for name, value in (("show", "2"), ("decimal_size", "20"), ("value_size", "22"), ("units_size", "20"))
)

_TILES = {
    HostKind.CLUSTER: (
        ("State", "ha.cluster.state"),
        ("Nodes online", "ha.cluster.nodes.online"),
        ("Votes", "ha.cluster.votes"),
        ("Witness", "ha.witness.state"),
        ("Reporter", "ha.cluster.reporter"),
        ("Protection", "ha.cluster.protection"),
    ),
    HostKind.VOTER: (
        ("State", "ha.node.state"),
        ("Ready for a Takeover", "ha.node.eligible"),
        ("Sees a majority", "ha.node.quorate"),
        ("Protection", "ha.node.protection"),
        ("Worst stall", "ha.node.stall.max"),
        ("Uptime", "ha.node.uptime"),
    ),
}
_GRAPHS = {
    HostKind.CLUSTER: (
        ("Owners of each group", "ha.group.owners[{#GROUP}]"),
        ("Last report of each Node", "ha.node.age[{#NODE}]"),
        ("Holders of each address", "ha.vip.holders[{#VIP}]"),
        ("Last transition in total", "ha.group.rto[{#GROUP}]"),
    ),
    HostKind.VOTER: (
        ("Round trip of each Link", "ha.link.rtt[{#NODE},{#PEER},{#LINK}]"),
        ("Loss of each Link", "ha.link.loss[{#NODE},{#PEER},{#LINK}]"),
        ("State of each Resource", "ha.res.state[{#RES}]"),
        ("Waiting for each sink", "ha.sink.queue[{#SINK}]"),
    ),
}


def dashboard(template: str, kind: HostKind, uuid: str) -> Yaml:
    """One page, in the export format."""
    widgets = list(_tiles(template, _TILES[kind]))
    top = 3
    if kind is HostKind.CLUSTER:
        widgets.append(_events(template, top))
        top += 6
    widgets += _graphs(template, _GRAPHS[kind], top)
    name = "HA cluster" if kind is HostKind.CLUSTER else "HA node"
    return {"uuid": uuid, "name": name, "pages": [{"widgets": widgets}]}


def _tiles(template: str, tiles: Sequence[tuple[str, str]]) -> Iterator[Yaml]:
    width = COLUMNS // len(tiles)
    for number, (name, key) in enumerate(tiles):
        item: Yaml = {"type": "ITEM", "name": "itemid", "value": {"host": template, "key": key}}
        yield _widget("ITEM", name, (number * width, 0, width, 3), [*_TILE_LOOKS, item])


def _events(template: str, top: int) -> Yaml:
    item: Yaml = {"type": "ITEM", "name": "itemids", "value": {"host": template, "key": f"{EVENT_KEY}.text"}}
    lines: Yaml = {"type": "INTEGER", "name": "show_lines", "value": "25"}
    return _widget("PLAIN_TEXT", "Changes of Owner", (0, top, COLUMNS, 6), [lines, item])


def _graphs(template: str, graphs: Sequence[tuple[str, str]], top: int) -> Iterator[Yaml]:
    width = COLUMNS // 2
    for number, (name, key) in enumerate(graphs):
        fields: list[Yaml] = [
            {"type": "INTEGER", "name": "source_type", "value": SIMPLE_GRAPH_PROTOTYPE},
            {"type": "INTEGER", "name": "columns", "value": "1"},
            {"type": "INTEGER", "name": "rows", "value": "2"},
            {"type": "ITEM_PROTOTYPE", "name": "itemid", "value": {"host": template, "key": key}},
        ]
        place = (number % 2 * width, top + number // 2 * 6, width, 6)
        yield _widget("GRAPH_PROTOTYPE", name, place, fields)


def _widget(kind: str, name: str, place: tuple[int, int, int, int], fields: list[Yaml]) -> Yaml:
    names = ("x", "y", "width", "height")
    # A zero is Zabbix's default and missing from its own exports.
    where: dict[str, Yaml] = {n: str(number) for n, number in zip(names, place, strict=True) if number}
    return {"type": kind, "name": name, **where, "fields": fields}
