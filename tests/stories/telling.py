"""Tells a story: the real core in the simulated cluster, calm weather, and what an outsider would note.

A line has the seconds since the story's last event, rounded to 10 ms, and what changed: whose kernel answers
for an address, and which transition was reported. Time between events passes only in `wait`.
"""

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.sim.cast import LINKS, pair, web
from ha_monitor.sim.cluster_world import ClusterWorld
from ha_monitor.sim.network import Weather
from ha_monitor.sim.services import AgentWeather
from ha_monitor.timebase import MS, SECOND

LOOK_EVERY_NS = 5 * MS


class Story(ClusterWorld):
    """A pair and its Witness, started and settled."""

    def __init__(self, *groups, settled=True, seed=1):
        self.lines, self._since_ns, self._answered, self._orders = [], 0, {}, 0
        super().__init__(pair(*(groups or (web(),))), seed)
        self.network.weather = Weather(delay_ns=(MS // 5, MS // 5))
        for host in self.nodes:
            host.services.weather = AgentWeather(delay_ns=(20 * MS, 20 * MS))
        if settled:
            self.begin()
            self.run(5 * SECOND)
            self.lines.clear()
        self._look()

    # What is told

    def _look(self):
        self._compare()
        self.agenda.after(LOOK_EVERY_NS, self._look)

    def check(self):
        super().check()
        self._compare()

    def _compare(self):
        for address, hosts in self.answering().items():
            before = self._answered.get(address, [])
            if hosts != before:
                who = hosts[0] if hosts else "nobody"
                self._tell(f"{who} answers for {address.partition('/')[0]}")
                self._answered[address] = hosts

    def note_action(self, host, action):
        if isinstance(action, ac.ReportTransition):
            moved = f"{action.node_from or 'nobody'} -> {action.node_to or 'nobody'}"
            self._tell(f"{action.group}: {moved} ({action.cause.value}, {action.kind.value})")
        elif isinstance(action, ac.OrderAnswered):
            self._tell(f"order: {'done' if action.is_done else 'refused'} ({action.reason})")

    def _tell(self, text):
        self.lines.append(f"{(self.agenda.now_ns - self._since_ns) / SECOND:.2f} {text}")

    def told(self):
        return "\n".join(self.lines)

    # What happens

    def happen(self, text):
        """A new event: time in the lines counts from here."""
        self._since_ns = self.agenda.now_ns
        self.lines.append(f"* {text}")

    def wait(self, seconds):
        self.run(int(seconds * SECOND))

    def settle_inside_a_beat(self):
        """Events of stories fall into the middle between two beats."""
        self.run(50 * MS)

    def separate(self, one, other, links=LINKS, both=True):
        a, b = self[one].index, self[other].index
        ends = [(a, b), (b, a)] if both else [(a, b)]
        self.network.cut |= {(*end, link) for end in ends for link in links}

    def switch(self, at, group="www", target=""):
        self._orders += 1
        self[at].order(ev.SwitchOrdered(self._orders, group, target, "operator"))

    def stop(self, name):
        self[name].is_stopped = True
        self[name].order(ev.StopOrdered(True))
