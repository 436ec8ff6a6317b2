"""Facts about each way to a monitoring system, as the Node that uses it tells them."""

from __future__ import annotations

from ha_monitor.publish.declare import Above, Fact, Is, Kind, Rose, Service, Subject
from ha_monitor.publish.scopes import SINK
from ha_monitor.publish.shapes import BAD, MILD, SICK, alarm, counter, number, state
from ha_monitor.publish.words import SINK_STATES


def _sink_says(s: Subject) -> str:
    k = s.row
    return f"{k.kind} {k.state}, {k.sent} sent, {k.queue} waiting{', ' + k.detail if k.detail else ''}"


HA_PUBLISH = Service("HA publish {}", SINK, _sink_says)

SINK_FACTS: tuple[Fact, ...] = (
    state(
        "ha.sink.state",
        HA_PUBLISH,
        "State",
        "Whether this way to a monitoring system takes what is sent.",
        "HA sink state",
        lambda s: s.row.state,
        alarm(
            Is(SINK_STATES["down"]),
            "takes nothing",
            MILD,
            "Look at the monitoring server and at the network to it; facts wait on disk.",
            hold_s=300,
        ),
        alarm(
            Is(SINK_STATES["backlog"]),
            "is behind",
            MILD,
            "Facts arrive late; it catches up by itself if the server is fast enough.",
            hold_s=300,
        ),
    ),
    number(
        "ha.sink.queue",
        HA_PUBLISH,
        "Waiting",
        "Values that wait on disk.",
        "queue",
        lambda s: s.row.queue,
        alarm(Above(10_000), "very many values wait", SICK, "Soon the oldest states are thinned out."),
        alarm(Above(1000), "many values wait", MILD, "The monitoring server is away or slow."),
    ),
    number(
        "ha.sink.oldest",
        HA_PUBLISH,
        "Oldest waiting",
        "Age of the oldest value that waits.",
        "oldest",
        lambda s: s.row.oldest_s,
        alarm(Above(600), "values wait for long", SICK, "The monitoring server is away."),
        alarm(Above(60), "values wait", MILD, "The monitoring server is away or slow."),
        unit="s",
    ),
    number(
        "ha.sink.sent",
        HA_PUBLISH,
        "Sent",
        "Values that were taken since the publisher started.",
        "sent",
        lambda s: s.row.sent,
        unit="c",
    ),
    counter(
        "ha.sink.refused",
        HA_PUBLISH,
        "Refused",
        "Values that the monitoring system did not take.",
        "refused",
        lambda s: s.row.refused,
        alarm(
            Rose(0, 600),
            "values are refused",
            MILD,
            "Hosts or services are missing there: `ha-monitor provision zabbix`, `ha-monitor export nagios`.",
        ),
    ),
    counter(
        "ha.sink.dropped",
        HA_PUBLISH,
        "Dropped",
        "Values given up because the disk or the bounds of the outbox were full.",
        "dropped",
        lambda s: s.row.dropped,
        alarm(Rose(0, 600), "values are lost", BAD, "Look at the free space under /var/lib/ha-monitor."),
    ),
    number(
        "ha.sink.delay",
        HA_PUBLISH,
        "Delay",
        "Age of the last value when it was taken.",
        "delay",
        lambda s: s.row.delay_s,
        alarm(Above(10), "values arrive late", MILD, "The monitoring server is slow.", hold_s=300),
        unit="s",
        kind=Kind.FLOAT,
    ),
)
