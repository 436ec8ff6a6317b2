"""What an operator would tell, each with the trace that is expected, below it."""

import pytest

from ha_monitor.core import events as ev
from ha_monitor.messages import MaintenanceNote
from ha_monitor.model import Failback, FailbackKind
from ha_monitor.sim.cast import queue, web
from ha_monitor.sim.network import Weather
from ha_monitor.timebase import MS, SECOND
from tests.stories.telling import Story

TRACES = {}


def both_start_at_once():
    story = Story(settled=False)
    story.happen("both Nodes and the Witness are switched on")
    story.begin()
    story.wait(4)
    return story


TRACES[both_start_at_once] = """
* both Nodes and the Witness are switched on
0.01 pub2 answers for 192.0.2.100
0.01 www: nobody -> pub2 (cluster-started, planned)
"""


def power_off_and_return():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("pub2 loses power")
    story["pub2"].power_off()
    story.wait(3)
    story.happen("pub2 has power again")
    story["pub2"].power_on()
    story.wait(5)
    return story


TRACES[power_off_and_return] = """
* pub2 loses power
0.01 nobody answers for 192.0.2.100
0.96 pub3 answers for 192.0.2.100
0.96 www: pub2 -> pub3 (node-silent, failure)
* pub2 has power again
"""


def freeze():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("pub2's daemon stands still for 1.8 s")
    story["pub2"].process.stall(1800 * MS)
    story.wait(4)
    return story


TRACES[freeze] = """
* pub2's daemon stands still for 1.8 s
0.84 nobody answers for 192.0.2.100
0.96 pub3 answers for 192.0.2.100
0.96 www: pub2 -> pub3 (node-silent, failure)
"""


def kill_everything():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("guard and core of pub2 are killed and stay away")
    story["pub2"].kill_all()
    story.wait(3)
    return story


TRACES[kill_everything] = """
* guard and core of pub2 are killed and stay away
0.84 nobody answers for 192.0.2.100
0.96 pub3 answers for 192.0.2.100
0.96 www: pub2 -> pub3 (node-silent, failure)
"""


def goodbye():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("pub2's core is killed, its guard says goodbye for it")
    story["pub2"].crash_core()
    story.wait(3)
    return story


TRACES[goodbye] = """
* pub2's core is killed, its guard says goodbye for it
0.00 nobody answers for 192.0.2.100
0.01 pub3 answers for 192.0.2.100
0.01 www: pub2 -> pub3 (daemon-died, failure)
"""


def partition():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("the Nodes do not hear each other, the Witness hears both")
    story.separate("pub2", "pub3")
    story.wait(4)
    story.happen("healed")
    story.network.cut.clear()
    story.wait(3)
    return story


TRACES[partition] = """
* the Nodes do not hear each other, the Witness hears both
* healed
"""


def partition_from_both():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("pub2 is cut off from pub3 and from the Witness")
    story.separate("pub2", "pub3")
    story.separate("pub2", "mon")
    story.wait(4)
    story.happen("healed")
    story.network.cut.clear()
    story.wait(3)
    return story


TRACES[partition_from_both] = """
* pub2 is cut off from pub3 and from the Witness
0.84 nobody answers for 192.0.2.100
0.96 pub3 answers for 192.0.2.100
0.96 www: pub2 -> pub3 (node-silent, failure)
* healed
"""


def witness_down():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("the Witness loses power")
    story["mon"].power_off()
    story.wait(5)
    story.happen("pub2 loses power too: nobody is a majority")
    story["pub2"].power_off()
    story.wait(5)
    story.happen("the Witness returns, and abstains for a Lease")
    story["mon"].power_on()
    story.wait(4)
    return story


TRACES[witness_down] = """
* the Witness loses power
* pub2 loses power too: nobody is a majority
0.01 nobody answers for 192.0.2.100
* the Witness returns, and abstains for a Lease
1.01 pub3 answers for 192.0.2.100
1.01 www: pub2 -> pub3 (node-silent, failure)
"""


def restart_adopts():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("pub2's daemon is restarted")
    story["pub2"].order(ev.StopOrdered(False))
    story.wait(4)
    return story


TRACES[restart_adopts] = """
* pub2's daemon is restarted
"""


def clean_stop():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("pub2's daemon is stopped")
    story.stop("pub2")
    story.wait(3)
    return story


TRACES[clean_stop] = """
* pub2's daemon is stopped
0.00 nobody answers for 192.0.2.100
0.01 pub3 answers for 192.0.2.100
0.01 www: pub2 -> pub3 (daemon-stopped, planned)
"""


def failback_after():
    story = Story(web(Failback(FailbackKind.AFTER, after_ns=2 * SECOND)))
    story.settle_inside_a_beat()
    story.happen("pub2 loses power")
    story["pub2"].power_off()
    story.wait(3)
    story.happen("pub2 has power again; failback after 2 s of health")
    story["pub2"].power_on()
    story.wait(6)
    return story


TRACES[failback_after] = """
* pub2 loses power
0.01 nobody answers for 192.0.2.100
0.96 pub3 answers for 192.0.2.100
0.96 www: pub2 -> pub3 (node-silent, failure)
* pub2 has power again; failback after 2 s of health
2.15 nobody answers for 192.0.2.100
2.16 pub2 answers for 192.0.2.100
2.16 www: pub3 -> pub2 (failback, failback)
"""


def failback_between():
    story = Story(web(Failback(FailbackKind.BETWEEN, window=(120, 300))))
    story.settle_inside_a_beat()
    story.happen("pub2 loses power and comes back outside of the window")
    story["pub2"].power_off()
    story.wait(3)
    story["pub2"].power_on()
    story.wait(5)
    story.happen("the window opens")
    story["pub3"].order(ev.FailbackWindowChanged("www", True))
    story.wait(3)
    return story


TRACES[failback_between] = """
* pub2 loses power and comes back outside of the window
0.01 nobody answers for 192.0.2.100
0.96 pub3 answers for 192.0.2.100
0.96 www: pub2 -> pub3 (node-silent, failure)
* the window opens
0.00 nobody answers for 192.0.2.100
0.01 pub2 answers for 192.0.2.100
0.01 www: pub3 -> pub2 (failback, failback)
"""


def switchover():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("an operator at pub3 switches www to pub3")
    story.switch("pub3", target="pub3")
    story.wait(2)
    story.happen("and asks for a Node that does not exist")
    story.switch("pub3", target="pub9")
    story.wait(1)
    return story


TRACES[switchover] = """
* an operator at pub3 switches www to pub3
0.00 order: done (passed on to the Owner)
0.05 nobody answers for 192.0.2.100
0.06 pub3 answers for 192.0.2.100
0.06 www: pub2 -> pub3 (switchover-ordered, operator)
* and asks for a Node that does not exist
0.00 order: refused (pub9 cannot take www now: no such Node)
"""


def maintenance():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("maintenance for 4 s, then pub2 loses power")
    story["pub3"].order(ev.MaintenanceOrdered(MaintenanceNote(0, 4 * SECOND, "cabling", "operator")))
    story.wait(0.5)
    story["pub2"].power_off()
    story.wait(6)
    return story


TRACES[maintenance] = """
* maintenance for 4 s, then pub2 loses power
0.51 nobody answers for 192.0.2.100
4.06 pub3 answers for 192.0.2.100
4.06 www: pub2 -> pub3 (node-silent, failure)
"""


def one_way_link():
    story = Story()
    story.settle_inside_a_beat()
    story.happen("pub3 does not hear pub2 on the lan any more, all else works")
    story.separate("pub2", "pub3", links=("lan",), both=False)
    story.wait(4)
    return story


TRACES[one_way_link] = """
* pub3 does not hear pub2 on the lan any more, all else works
"""


def lossy_links():
    story = Story(seed=7)
    story.settle_inside_a_beat()
    story.happen("every Link loses a fifth of its packets for a minute")
    story.network.weather = Weather(loss=0.2, delay_ns=(MS // 5, MS // 5))
    story.wait(60)
    return story


TRACES[lossy_links] = """
* every Link loses a fifth of its packets for a minute
"""


def service_with_its_owner():
    story = Story(queue())
    story.settle_inside_a_beat()
    story.happen("queue, whose worker runs on the Owner alone, is switched from pub3 to pub2")
    story.switch("pub2", "queue", "pub2")
    story.wait(2)
    return story


TRACES[service_with_its_owner] = """
* queue, whose worker runs on the Owner alone, is switched from pub3 to pub2
0.00 order: done (passed on to the Owner)
0.07 nobody answers for 192.0.2.101
0.08 pub2 answers for 192.0.2.101
0.10 queue: pub3 -> pub2 (switchover-ordered, operator)
"""


@pytest.mark.parametrize("story", TRACES, ids=lambda story: story.__name__)
def test_story_goes_as_told(story):
    assert story().told() == TRACES[story].strip()
