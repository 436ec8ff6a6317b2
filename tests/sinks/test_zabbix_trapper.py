"""The trapper sink against real sockets."""

import socket

import pytest

from ha_monitor.errors import SinkError
from ha_monitor.publish.outbox import Waiting
from ha_monitor.publish.zabbix import TrapValue
from ha_monitor.sinks import zabbix_trapper
from ha_monitor.sinks.zabbix_trapper import ZabbixTrapperSink
from tests.sinks.trapper import FakeTrapper

T0_NS = 1_700_000_000_000_000_000


def batch(*keys):
    values = [
        TrapValue("web", key, f"v{n}", T0_NS + n, key == "ha.event", f"e{n}" if key == "ha.event" else "")
        for n, key in enumerate(keys)
    ]
    return [Waiting(n, value.parcel()) for n, value in enumerate(values)]


@pytest.fixture
def trapper(request):
    made = FakeTrapper(*getattr(request, "param", ()))
    yield made
    made.close()


def test_values_keep_order_clock_and_ns_and_transitions_go_alone(trapper):
    delivery = ZabbixTrapperSink(trapper.server).send(batch("ha.raw", "ha.tick", "ha.event", "ha.raw"))
    assert delivery.taken == (0, 1, 2, 3)
    assert [len(call) for call in trapper.calls] == [2, 1, 1]
    assert trapper.values()[2] == ("web", "ha.event", "v2", T0_NS // 10**9, 2)


@pytest.mark.parametrize("trapper", [({("web", "ha.raw")},)], indirect=True)
def test_after_a_refusal_each_is_tried_alone_and_the_refused_are_known(trapper):
    delivery = ZabbixTrapperSink(trapper.server).send(batch("ha.raw", "ha.tick", "ha.raw"))
    assert (delivery.taken, delivery.refused) == ((0, 2), (1,))
    assert "refused 1 of 3" in delivery.detail


@pytest.mark.parametrize("trapper", [(set(),)], indirect=True)
def test_a_refused_transition_is_not_sent_twice_in_one_go(trapper):
    assert ZabbixTrapperSink(trapper.server).send(batch("ha.event")).refused == (0,)
    assert len(trapper.calls) == 1


@pytest.mark.parametrize("trapper", [(None, "hang"), (None, "close"), (None, "junk")], indirect=True)
def test_a_server_that_hangs_closes_or_babbles_is_an_error_within_its_time(trapper, monkeypatch):
    monkeypatch.setattr(zabbix_trapper, "TIMEOUT_S", 1)
    with pytest.raises(SinkError, match=trapper.server):
        ZabbixTrapperSink(trapper.server).send(batch("ha.raw"))


def test_nobody_listening_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SinkError):
        ZabbixTrapperSink(f"127.0.0.1:{port}").send(batch("ha.raw"))


def test_an_address_without_a_route_is_an_error_of_ours():
    with pytest.raises(SinkError):
        ZabbixTrapperSink("[2001:db8::1]:10051").send(batch("ha.raw"))
