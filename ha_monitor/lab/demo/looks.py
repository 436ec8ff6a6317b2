"""What Nagios and Zabbix show of the cluster, and how long they take to show what has happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ha_monitor.lab.cast import NODES, SERVICE_GROUP, WITNESS
from ha_monitor.lab.demo.record import VISIBLE_WITHIN_S
from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.monitoring import Monitoring
from ha_monitor.lab.stack.nagios_status import ServiceShown
from ha_monitor.lab.stack.screenshots import Shot
from ha_monitor.publish.declare import REFRESH_S
from ha_monitor.publish.facts import EVENT_KEY, TICK_KEY

CLUSTER = "web"
GROUP_SERVICE = f"HA group {SERVICE_GROUP}"
OWNER_KEY = f"ha.group.owner[{SERVICE_GROUP}]"
ZABBIX_KEYS = ("ha.cluster.state", "ha.cluster.nodes.online", "ha.cluster.votes", OWNER_KEY,
               f"ha.group.state[{SERVICE_GROUP}]", f"ha.group.owners[{SERVICE_GROUP}]",
               f"ha.group.last.cause[{SERVICE_GROUP}]")  # fmt: skip
LOOK_EVERY_S = 0.2
SILENT_MAX_S = 2.5 * REFRESH_S
HOSTS = (CLUSTER, *NODES, WITNESS)


class Looks:
    """Reads both systems back as their users see them."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    def nagios(self) -> dict[str, str]:
        """Every service on the cluster's host, and on the others what is not OK."""
        shown = self._monitoring.nagios.services()
        return {
            f"{s.host}/{s.service}": f"{s.state}: {s.output}"
            for s in shown
            if s.host == CLUSTER or s.state not in ("OK", "PENDING")
        }

    def zabbix(self) -> dict[str, str]:
        """The cluster's main items, and every open problem."""
        items = self._monitoring.zabbix.items(CLUSTER)
        values = {f"{CLUSTER}/{key}": items[key].value for key in ZABBIX_KEYS if key in items}
        problems = self._monitoring.zabbix.problems()
        return values | {f"problem: {p.host}/{p.name}": p.severity for p in problems}

    def not_ok(self) -> list[str]:
        """What either system shows of a cluster at rest beside OK; PENDING counts too."""
        nagios = [
            f"Nagios: {s.host}/{s.service}: {s.state}: {s.output}"
            for s in self._monitoring.nagios.services()
            if s.state != "OK"
        ]
        zabbix = [f"Zabbix: {p.host}/{p.name} ({p.severity})" for p in self._monitoring.zabbix.problems()]
        return nagios + zabbix

    def silent(self) -> list[str]:
        """Hosts of which Nagios has heard nothing lately, although everything is told again and again."""
        newest: dict[str, int] = dict.fromkeys(HOSTS, 0)
        for service in self._monitoring.nagios.services():
            if service.is_passive_result and service.host in newest:
                newest[service.host] = max(newest[service.host], service.last_check_ms)
        now_ms = time.time() * 1000
        return [
            f"Nagios heard nothing of {host} for {(now_ms - at_ms) / 1000:.0f} s"
            for host, at_ms in newest.items()
            if now_ms - at_ms > SILENT_MAX_S * 1000
        ]

    def wait_all_ok(self, within_s: float) -> list[str]:
        """Wait until both show nothing but OK; what is left at the end."""
        deadline = time.monotonic() + within_s
        while (left := self.not_ok()) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        return left

    def transitions(self) -> int:
        """How many transitions Zabbix's history holds."""
        return len(self._monitoring.zabbix.history(CLUSTER, EVENT_KEY))

    def is_in_nagios(self, owner: str, since_s: float) -> bool:
        """Whether Nagios names the Owner in a result that is not older than ``since_s`` (wall clock)."""
        service: ServiceShown = self._monitoring.nagios.service(CLUSTER, GROUP_SERVICE)
        return f" on {owner}," in service.output and service.last_check_ms >= (since_s - 1) * 1000

    def is_in_zabbix(self, owner: str, since_s: float) -> bool:
        """The same of Zabbix; an Owner that stays is not told again, so the cluster's tick counts too."""
        items = self._monitoring.zabbix.items(CLUSTER)
        stamps = [items[key].at_ns for key in (OWNER_KEY, TICK_KEY) if key in items]
        is_named = OWNER_KEY in items and items[OWNER_KEY].value == owner
        return is_named and max(stamps) >= (since_s - 1) * 1e9

    def seconds_until_shown(self, owner: str, since_s: float, from_s: float) -> dict[str, float | None]:
        """How long after ``from_s`` each system shows ``owner`` with a stamp after ``since_s`` (wall clock).

        None if not within VISIBLE_WITHIN_S.
        """
        looks: dict[str, Callable[[str, float], bool]] = {
            "nagios": self.is_in_nagios,
            "zabbix": self.is_in_zabbix,
        }
        seen: dict[str, float | None] = dict.fromkeys(looks)
        deadline = time.time() + VISIBLE_WITHIN_S
        while time.time() < deadline and None in seen.values():
            for system, look in looks.items():
                if seen[system] is None and _looks_so(look, owner, since_s):
                    seen[system] = round(max(0.0, time.time() - from_s), 2)
            time.sleep(LOOK_EVERY_S)
        return seen


def _looks_so(look: Callable[[str, float], bool], owner: str, since_s: float) -> bool:
    try:
        return look(owner, since_s)
    except StackError:
        return False  # it is down, or on its way up


def shots(monitoring: Monitoring, when: str, problem_words: tuple[str, ...] = ()) -> tuple[Shot, ...]:
    """The three pictures of the report; ``problem_words`` must stand on the problems page."""
    taken = (
        monitoring.shot_of_nagios_services(("HA cluster", GROUP_SERVICE)),
        monitoring.shot_of_zabbix_dashboard(CLUSTER, (CLUSTER,)),
        monitoring.shot_of_zabbix_problems(("Problems", *problem_words)),
    )
    return tuple(replace(shot, name=f"{shot.name}-{when}") for shot in taken)
