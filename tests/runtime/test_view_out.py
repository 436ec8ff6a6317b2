"""When a view goes to the publisher, and what the shell adds to it."""

import json
from dataclasses import replace

from ha_monitor.runtime.view_out import FRESH_NS, REPEAT_NS, ViewOut, signature, to_json
from ha_monitor.timebase import MS
from ha_monitor.view import read_view
from tests.views import healthy


class Out:
    def __init__(self):
        self.view = healthy()
        self.made = 0
        self.texts = []
        self.out = ViewOut(
            self._make,
            self,
            lambda: 123,
            lambda: {"tag": 4},
            lambda address: replace(address, device="eth7"),
            100 * MS,
            is_realtime=True,
            restarts=2,
        )

    def _make(self, at_ns):
        self.made += 1
        return self.view

    def send_text(self, text):
        self.texts.append(json.loads(text))


def test_view_is_read_back_as_it_was_and_bears_what_only_the_shell_knows():
    setting = Out()
    setting.out.tick(0)
    (packet,) = setting.texts
    assert packet["kind"] == "view"
    view = read_view(packet["view"])
    assert (view.rejected, view.is_realtime, view.restarts, view.stamp_ns) == ({"tag": 4}, True, 2, 123)
    assert {a.device for group in view.groups for a in group.addresses} == {"eth7"}
    assert view.nodes == setting.view.nodes
    assert view.links == setting.view.links


def test_unchanged_view_is_repeated_once_a_second():
    setting = Out()
    for beat in range(21):
        setting.out.tick(beat * 100 * MS)
    assert len(setting.texts) == 3
    assert REPEAT_NS == 1000 * MS


def test_change_of_owner_does_not_wait_for_the_second():
    setting = Out()
    setting.out.tick(0)
    moved = replace(setting.view.groups[0], owner="pub3")
    setting.view = replace(setting.view, groups=(moved,))
    setting.out.tick(100 * MS)
    assert [packet["view"]["groups"][0]["owner"] for packet in setting.texts] == ["pub2", "pub3"]


def test_measured_lengths_alone_are_no_change():
    view = healthy()
    older = replace(view, nodes=tuple(replace(node, age_ms=999, uptime_s=77) for node in view.nodes))
    assert signature(older) == signature(view)


def test_askers_share_one_fresh_view():
    setting = Out()
    assert setting.out.text(0) is setting.out.text(FRESH_NS - 1)
    setting.out.text(FRESH_NS)
    assert setting.made == 2


def test_json_is_one_line():
    assert b"\n" not in to_json(healthy())
