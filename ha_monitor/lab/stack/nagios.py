"""A real Nagios Core 4 and its NSCA-ng server in a lab host, configured from nothing but our own files.

Debian's stock nagios.cfg polls localhost and asks an update server; here Nagios knows only the
objects it is given. Intervals are short so that what it was told is visible within a second.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ha_monitor.lab.stack.daemons import Daemon, listens
from ha_monitor.lab.stack.hosts import StackError, StackHost, make_dir, write_file

NAGIOS_DIR = "/run/stack/nagios"
NAGIOS_CFG = f"{NAGIOS_DIR}/nagios.cfg"
CGI_CFG = f"{NAGIOS_DIR}/cgi.cfg"
OBJECTS_DIR = f"{NAGIOS_DIR}/objects"
COMMAND_FILE = f"{NAGIOS_DIR}/rw/nagios.cmd"
CHECK_RESULT_DIR = f"{NAGIOS_DIR}/spool/checkresults"
STATUS_FILE = f"{NAGIOS_DIR}/var/status.dat"
NSCA_NG_CFG = f"{NAGIOS_DIR}/nsca-ng.cfg"
NSCA_NG_PORT = 5668

_NAGIOS_CFG = f"""\
cfg_dir={OBJECTS_DIR}
resource_file={NAGIOS_DIR}/resource.cfg
log_file={NAGIOS_DIR}/var/nagios.log
log_archive_path={NAGIOS_DIR}/var/archives
log_rotation_method=n
use_syslog=0
status_file={STATUS_FILE}
object_cache_file={NAGIOS_DIR}/var/objects.cache
precached_object_file={NAGIOS_DIR}/var/objects.precache
state_retention_file={NAGIOS_DIR}/var/retention.dat
temp_file={NAGIOS_DIR}/var/nagios.tmp
temp_path={NAGIOS_DIR}/tmp
lock_file={NAGIOS_DIR}/run/nagios.pid
command_file={COMMAND_FILE}
query_socket={NAGIOS_DIR}/rw/nagios.qh
check_result_path={CHECK_RESULT_DIR}
nagios_user=nagios
nagios_group=nagios
check_external_commands=1
accept_passive_service_checks=1
accept_passive_host_checks=1
log_passive_checks=1
check_service_freshness=1
check_host_freshness=1
interval_length=1
status_update_interval=1
check_result_reaper_frequency=1
service_freshness_check_interval=1
host_freshness_check_interval=1
additional_freshness_latency=0
cached_service_check_horizon=0
cached_host_check_horizon=0
enable_flap_detection=0
retain_state_information=1
use_retained_program_state=0
check_for_updates=0
check_workers=2
event_broker_options=0
date_format=iso8601
illegal_object_name_chars=`~!$%^&*|'"<>?,()=
illegal_macro_output_chars=`~$&|'"<>
"""

_CGI_CFG = f"""\
main_config_file={NAGIOS_CFG}
physical_html_path=/usr/share/nagios4/htdocs
url_html_path=/nagios4
use_pending_states=1
use_authentication=0
refresh_rate=30
result_limit=0
escape_html_tags=1
enable_page_tour=0
"""


def nsca_ng_server_text(address: str, identity: str, password: str) -> str:
    """Return nsca-ng.cfg for command mode: check results with their own time, nothing else."""
    return f"""\
command_file = "{COMMAND_FILE}"
listen = "{address}:{NSCA_NG_PORT}"
user = "nagios"
temp_directory = "{NAGIOS_DIR}/tmp"
authorize "{identity}" {{
    password = "{password}"
    commands = "PROCESS_(SERVICE|HOST)_CHECK_RESULT;.*"
}}
"""


def nsca_ng_client_text(address: str, identity: str, password: str) -> str:
    """Return send_nsca.cfg for the Nodes that report to this server."""
    return f"""\
server = "{address}"
port = "{NSCA_NG_PORT}"
identity = "{identity}"
password = "{password}"
"""


@dataclass(frozen=True)
class Nagios:
    """Nagios Core in `host`; its objects are the files of `objects`, a directory of the machine."""

    host: StackHost
    address: str
    identity: str
    password: str

    def write_configuration(self, objects: Path) -> None:
        """Write every file that Nagios, its CGI and NSCA-ng read; replaces what an earlier up wrote."""
        host = self.host
        # Apache's user reads the states and the command file's group is its own, as in Debian.
        make_dir(host, NAGIOS_DIR)
        for part in ("var", "var/archives", "tmp", "run", "spool"):
            make_dir(host, f"{NAGIOS_DIR}/{part}", "nagios", "nagios")
        # Who is in the spool's group may lay results into it, and Nagios may read and remove them.
        make_dir(host, CHECK_RESULT_DIR, "nagios", "nagios", 0o2775)
        make_dir(host, f"{NAGIOS_DIR}/rw", "nagios", "www-data", 0o2775)
        write_file(host, NAGIOS_CFG, _NAGIOS_CFG)
        write_file(host, CGI_CFG, _CGI_CFG)
        write_file(host, f"{NAGIOS_DIR}/resource.cfg", "$USER1$=/usr/lib/nagios/plugins\n")
        text = nsca_ng_server_text(self.address, self.identity, self.password)
        write_file(host, NSCA_NG_CFG, text, owner="nagios", mode=0o600)
        self._copy_objects(objects)

    def verify(self) -> None:
        """Let Nagios check its own configuration. Raises StackError with what Nagios says."""
        done = self.host.exec(["/usr/sbin/nagios4", "-v", NAGIOS_CFG], timeout=30, check=False)
        if done.returncode != 0:
            wrong = [line for line in done.stdout.splitlines() if line.startswith(("Error", "Warn"))]
            raise StackError("nagios4 -v refuses the configuration:\n" + "\n".join(wrong[-20:]))

    def daemons(self) -> tuple[Daemon, ...]:
        """Return Nagios and NSCA-ng, in the order of their start."""
        return (self._nagios(), self._nsca_ng())

    def _nagios(self) -> Daemon:
        # A killed Nagios leaves its pipe behind: a writer would then hang on nobody, and
        # yesterday's pipe would count as readiness.
        clean = f"rm -f {COMMAND_FILE} {NAGIOS_DIR}/rw/nagios.qh {STATUS_FILE}"
        return Daemon(
            name="nagios",
            argv=("sh", "-c", f"{clean}; exec /usr/sbin/nagios4 {NAGIOS_CFG}"),
            user="nagios",
            ready=f"[ -p {COMMAND_FILE} ] && [ -s {STATUS_FILE} ]",
        )

    def _nsca_ng(self) -> Daemon:
        argv = ("/usr/sbin/nsca-ng", "-F", "-c", NSCA_NG_CFG)
        return Daemon("nsca-ng", argv, ready=listens(NSCA_NG_PORT))

    def _copy_objects(self, objects: Path) -> None:
        files = sorted(objects.glob("*.cfg"))
        if not files:
            raise StackError(f"{objects} holds no *.cfg file, Nagios needs its objects from there")
        inside = self.host.path(OBJECTS_DIR)
        shutil.rmtree(inside, ignore_errors=True)
        make_dir(self.host, OBJECTS_DIR)
        for file in files:
            write_file(self.host, f"{OBJECTS_DIR}/{file.name}", file.read_text())
