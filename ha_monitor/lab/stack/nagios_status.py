"""Reads what the real Nagios shows, through its own statusjson and archivejson CGI.

The picture behind them is status.dat, which Nagios rewrites once a second in the lab.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from ha_monitor.lab.stack.hosts import StackError

# The CGI's own bit mask, not the plugins' exit codes.
SERVICE_STATES = {1: "PENDING", 2: "OK", 4: "WARNING", 8: "UNKNOWN", 16: "CRITICAL"}
HOST_STATES = {1: "PENDING", 2: "UP", 4: "DOWN", 8: "UNREACHABLE"}
ALERT_STATES = {1: "UP", 2: "DOWN", 4: "UNREACHABLE", 8: "OK", 16: "WARNING", 32: "CRITICAL", 64: "UNKNOWN"}
TIMEOUT_S = 10


@dataclass(frozen=True)
class ServiceShown:
    """A service as Nagios shows it; times in milliseconds since 1970, 0 for never."""

    host: str
    service: str
    state: str
    output: str
    perfdata: str
    last_check_ms: int
    last_state_change_ms: int
    is_passive_result: bool
    is_hard: bool
    acknowledged: bool
    in_downtime: bool


@dataclass(frozen=True)
class AlertShown:
    """A line of Nagios's history: a state that changed, at `at_ms`."""

    at_ms: int
    host: str
    service: str
    state: str
    is_hard: bool
    output: str


class NagiosReader:
    """Asks the CGI below `web_url` (http://address:port)."""

    def __init__(self, web_url: str) -> None:
        self.web_url = web_url
        self._session = requests.Session()

    def services(self, host: str | None = None) -> tuple[ServiceShown, ...]:
        """Return every service, or those of one host, sorted by host and name."""
        query = {"query": "servicelist", "details": "true"}
        if host is not None:
            query["hostname"] = host
        listed = self._ask("statusjson.cgi", query)["servicelist"]
        shown = (service_shown(details) for services in listed.values() for details in services.values())
        return tuple(sorted(shown, key=lambda each: (each.host, each.service)))

    def service(self, host: str, service: str) -> ServiceShown:
        """Return one service. Raises StackError when Nagios does not know it."""
        query = {"query": "service", "hostname": host, "servicedescription": service}
        return service_shown(self._ask("statusjson.cgi", query)["service"])

    def hosts(self) -> Mapping[str, str]:
        """Return the state of every host: PENDING, UP, DOWN or UNREACHABLE."""
        listed = self._ask("statusjson.cgi", {"query": "hostlist"})["hostlist"]
        return {name: HOST_STATES[mask] for name, mask in listed.items()}

    def alerts(self, since_s: int, until_s: int) -> tuple[AlertShown, ...]:
        """Return the history between two times (seconds since 1970), oldest first."""
        query = {"query": "alertlist", "starttime": str(since_s), "endtime": str(until_s)}
        listed = self._ask("archivejson.cgi", query)["alertlist"]
        return tuple(sorted(_alerts(listed), key=lambda alert: alert.at_ms))

    def _ask(self, program: str, query: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self.web_url}/nagios4/cgi-bin/{program}"
        try:
            answer = self._session.get(url, params=dict(query), timeout=TIMEOUT_S)
            answer.raise_for_status()
            body = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise StackError(f"{program} {query['query']} gave no answer: {error}") from error
        result = body["result"]
        if result["type_code"] != 0:
            raise StackError(f"{program} {dict(query)}: {result['type_text']}: {result['message']}")
        data: dict[str, Any] = body["data"]
        return data


def service_shown(details: Mapping[str, Any]) -> ServiceShown:
    """Turn one service of statusjson into a value."""
    output = str(details["plugin_output"])
    long_output = str(details.get("long_plugin_output", ""))
    return ServiceShown(
        host=details["host_name"],
        service=details["description"],
        # A result not seen yet is PENDING, whatever state Nagios assumes for it.
        state=SERVICE_STATES[details["status"]] if details["has_been_checked"] else "PENDING",
        output=f"{output}\n{long_output}" if long_output else output,
        perfdata=details["perf_data"],
        last_check_ms=details["last_check"],
        last_state_change_ms=details["last_state_change"],
        is_passive_result=details["check_type"] == 1,
        is_hard=details["state_type"] == 1,
        acknowledged=details["problem_has_been_acknowledged"],
        in_downtime=details["scheduled_downtime_depth"] > 0,
    )


def _alerts(listed: list[Mapping[str, Any]]) -> Iterator[AlertShown]:
    for entry in listed:
        is_service = entry["object_type"] == 2
        yield AlertShown(
            at_ms=entry["timestamp"],
            host=entry["host_name"] if is_service else entry["name"],
            service=entry["description"] if is_service else "",
            state=ALERT_STATES[entry["state"]],
            is_hard=entry["state_type"] == 2,
            output=entry["plugin_output"],
        )
