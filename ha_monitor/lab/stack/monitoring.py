"""The whole monitoring server of the lab: Nagios, NSCA-ng, Zabbix, its database and the web pages.

Everything is known through files in the host's own /run, so any later process can ask, stop and
start what another one brought up.
"""

import json
import pwd
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from ha_monitor.lab.cast import CAST, WITNESS
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.stack import daemons, database, forward
from ha_monitor.lab.stack.apache import WEB_PORT, Apache
from ha_monitor.lab.stack.daemons import Daemon
from ha_monitor.lab.stack.hosts import StackError, StackHost, write_file
from ha_monitor.lab.stack.nagios import NSCA_NG_PORT, Nagios, nsca_ng_client_text
from ha_monitor.lab.stack.nagios_status import NagiosReader
from ha_monitor.lab.stack.screenshots import Shot, take_all, zabbix_session
from ha_monitor.lab.stack.zabbix import ADMIN, TRAPPER_PORT, Zabbix
from ha_monitor.lab.stack.zabbix_read import ZabbixReader, wait_for

REMEMBERED = "/run/stack/monitoring.json"
NSCA_IDENTITY = "ha-monitor"
NSCA_SECRET = "/etc/ha-monitor/nsca-ng.secret"
WEB_READY_WITHIN_S = 30


@dataclass(frozen=True)
class Remembered:
    """What must be the same for every process that deals with this monitoring server."""

    zabbix_password: str
    nsca_password: str
    local_port: int = 0


@dataclass(frozen=True)
class WebPages:
    """Where a person finds both systems with the machine's own browser, and how to sign in."""

    nagios: str
    zabbix: str
    zabbix_user: str
    zabbix_password: str


class Monitoring:
    """The monitoring server on the lab's host `mon`; `up` once, then `stop` and `start` at will."""

    def __init__(self, lab: Lab) -> None:
        self.host: StackHost = lab.host(WITNESS)
        self.address = CAST[WITNESS].v4()

    @cached_property
    def remembered(self) -> Remembered:
        """The passwords, made on first use, and the forwarder's port."""
        file = self.host.path(REMEMBERED)
        if file.exists():
            return Remembered(**json.loads(file.read_text()))
        return self._remember(Remembered(secrets.token_urlsafe(15), secrets.token_urlsafe(15)))

    @property
    def web_url(self) -> str:
        """The web server as the machine outside reaches it, through the forwarder."""
        if not self.remembered.local_port:
            raise StackError("the monitoring server of the lab is not up: nothing leads to its web pages")
        return f"http://127.0.0.1:{self.remembered.local_port}"

    @property
    def inner_url(self) -> str:
        """The web server as the lab's hosts reach it."""
        return self._apache.url

    def web_pages(self) -> WebPages:
        """Return what to tell the person who wants to look around."""
        password = self.remembered.zabbix_password
        return WebPages(f"{self.web_url}/nagios4/", f"{self.web_url}/zabbix/", ADMIN, password)

    @cached_property
    def nagios(self) -> NagiosReader:
        """What Nagios shows."""
        return NagiosReader(self.web_url)

    @cached_property
    def zabbix(self) -> ZabbixReader:
        """What Zabbix shows."""
        return ZabbixReader(self.web_url, self.remembered.zabbix_password)

    def up(self, nagios_objects: Path, local_port: int = 0) -> None:
        """Configure and start everything at once and wait until both answer.

        `nagios_objects` is a directory of the machine with *.cfg files; `local_port` is the port at
        127.0.0.1 that leads to the web pages, 0 for any free one. What an earlier `up` had learned is
        forgotten. Raises StackError.
        """
        if self.host.path(REMEMBERED).exists():
            self._stop()
        # Made before the threads run: two of them would make two different passwords.
        _ = self.remembered
        _all_of([lambda: self._up_nagios(nagios_objects), self._up_zabbix, lambda: self._up_web(local_port)])
        self._wait_until_answering()

    def stop(self) -> None:
        """The fault monitoring-down: Nagios, NSCA-ng, Zabbix, its database and the web pages end.

        Raises StackError if there is no monitoring server: its absence would be no fault.
        """
        _ = self.web_url
        self._stop()

    def _stop(self) -> None:
        listeners = (self._apache.daemon(), self._zabbix.daemon(), *self._nagios.daemons())
        _all_of([lambda each=each: daemons.stop(self.host, each) for each in listeners])  # type: ignore[misc]
        daemons.stop(self.host, database.daemon())

    def start(self) -> None:
        """Start again what `stop` ended, with all that it knew. Raises StackError as `stop` does."""
        _ = self.web_url
        _all_of([self._start_nagios, self._start_zabbix, lambda: self._start(self._apache.daemon())])
        self._wait_until_answering()

    def down(self) -> None:
        """End everything, the forwarder too. The host's own files go with the lab."""
        self._stop()
        daemons.stop(self.host, self._forwarder(0))
        self._remember(Remembered(self.remembered.zabbix_password, self.remembered.nsca_password))

    def is_running(self) -> bool:
        """Tell whether every daemon of the monitoring server runs."""
        return all(daemons.is_running(self.host, each) for each in self._daemons())

    def publish_text(self) -> str:
        """Return the lines of cluster.toml that make all voters report here."""
        return f"""
[publish.nagios]
nsca_ng = "{self.address}:{NSCA_NG_PORT}"
nsca_ng_secret = "{NSCA_SECRET}"

[publish.zabbix]
server = "{self.address}:{TRAPPER_PORT}"
api = "{self.inner_url}/zabbix"
"""

    def equip_voter(self, host: StackHost) -> None:
        """Write the secret that `publish_text` names into a voter, for the publisher's user alone."""
        self.configure_nsca_client(host, NSCA_SECRET, owner=_publisher_user())

    def configure_nsca_client(self, host: StackHost, target: str, owner: str = "root") -> None:
        """Write a configuration of send_nsca into a host, readable by its `owner` alone."""
        text = nsca_ng_client_text(self.address, NSCA_IDENTITY, self.remembered.nsca_password)
        write_file(host, target, text, owner=owner, mode=0o600)

    def shot_of_nagios_services(self, expected: Iterable[str]) -> Shot:
        """The page with all services of all hosts."""
        url = f"{self.inner_url}/nagios4/cgi-bin/status.cgi?host=all"
        return Shot("nagios-services", url, tuple(expected))

    def shot_of_zabbix_problems(self, expected: Iterable[str]) -> Shot:
        """The page with the problems, recent ones that are over included."""
        url = f"{self.inner_url}/zabbix/zabbix.php?action=problem.view"
        return Shot("zabbix-problems", url, tuple(expected), click=".tabfilter-item-label.expanded a")

    def shot_of_zabbix_dashboard(self, host: str, expected: Iterable[str]) -> Shot:
        """The dashboard that a host has from its template. Raises StackError if Zabbix lacks the host."""
        action = f"host.dashboard.view&hostid={self.zabbix.host_id(host)}"
        url = f"{self.inner_url}/zabbix/zabbix.php?action={action}"
        return Shot("zabbix-dashboard", url, tuple(expected), click=".ui-tabs-active .btn-time")

    def pictures(self, shots: Iterable[Shot], directory: Path) -> tuple[Path, ...]:
        """Take pictures of pages below `inner_url`, logged in to Zabbix. Raises PictureRefused."""
        session = zabbix_session(self.web_url, self.remembered.zabbix_password)
        site = f"{self.inner_url}/zabbix/"
        return take_all(self.host, tuple(shots), directory, session=session, session_url=site)

    @property
    def _nagios(self) -> Nagios:
        return Nagios(self.host, self.address, NSCA_IDENTITY, self.remembered.nsca_password)

    @property
    def _zabbix(self) -> Zabbix:
        return Zabbix(self.host, self.address, self.remembered.zabbix_password)

    @property
    def _apache(self) -> Apache:
        return Apache(self.host, self.address)

    def _daemons(self) -> tuple[Daemon, ...]:
        return (*self._nagios.daemons(), database.daemon(), self._zabbix.daemon(), self._apache.daemon())

    def _up_nagios(self, objects: Path) -> None:
        self._nagios.write_configuration(objects)
        self._nagios.verify()
        self._start_nagios()

    def _up_zabbix(self) -> None:
        database.unpack(self.host, database.cached_cluster())
        self._zabbix.write_configuration()
        self._start(database.daemon())
        self._zabbix.set_password()
        self._start(self._zabbix.daemon())

    def _up_web(self, local_port: int) -> None:
        self._apache.write_configuration()
        self._start(self._apache.daemon())
        self._up_forwarder(local_port)

    def _up_forwarder(self, local_port: int) -> None:
        forwarder = self._forwarder(0)
        if daemons.is_running(self.host, forwarder):
            return
        try:
            listener = forward.listen_locally(local_port)
        except OSError as error:
            raise StackError(f"127.0.0.1:{local_port} cannot be listened on: {error}") from error
        with listener:
            fd = listener.fileno()
            daemons.start(self.host, self._forwarder(fd), keep=(fd,))
            port = listener.getsockname()[1]
        known = self.remembered
        self._remember(Remembered(known.zabbix_password, known.nsca_password, port))

    def _forwarder(self, fd: int) -> Daemon:
        argv = forward.command(fd, self.address, WEB_PORT)
        return Daemon("forward", argv, ready="true")

    def _start_nagios(self) -> None:
        for each in self._nagios.daemons():
            self._start(each)

    def _start_zabbix(self) -> None:
        self._start(database.daemon())
        self._start(self._zabbix.daemon())

    def _start(self, daemon: Daemon) -> None:
        daemons.start(self.host, daemon)

    def _wait_until_answering(self) -> None:
        # A restart of the database ends the sessions of nobody, but a new `up` does.
        self.__dict__.pop("zabbix", None)
        self.__dict__.pop("nagios", None)
        wait_for("Nagios's statusjson", self.nagios.hosts, WEB_READY_WITHIN_S)
        wait_for("Zabbix's API", self.zabbix.login, WEB_READY_WITHIN_S)

    def _remember(self, known: Remembered) -> Remembered:
        write_file(self.host, REMEMBERED, json.dumps(asdict(known)), mode=0o600)
        self.__dict__["remembered"] = known
        return known


def _publisher_user() -> str:
    """As whom the daemon's publisher runs: its own user where there is one."""
    try:
        return pwd.getpwnam("ha-monitor").pw_name
    except KeyError:
        return "nobody"


def _all_of(works: list[Callable[[], None]]) -> None:
    """Do all at the same time; the first failure is raised when all have ended."""
    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(work) for work in works]
    for future in futures:
        future.result()
