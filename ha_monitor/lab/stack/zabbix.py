"""A real Zabbix server 6.0 in a lab host, and the configuration of its web pages.

Settings are small and quick: new hosts and items are known after a second instead of a minute.
"""

from dataclasses import dataclass

from ha_monitor.lab.stack import database
from ha_monitor.lab.stack.daemons import Daemon, listens
from ha_monitor.lab.stack.hosts import StackHost, make_dir, write_file

ZABBIX_DIR = "/run/stack/zabbix"
SERVER_CFG = f"{ZABBIX_DIR}/zabbix_server.conf"
# Debian's pages read their configuration from there and nowhere else. What a lab host writes below
# /etc stays with it: the machine's own file is neither read nor changed.
WEB_CFG = "/etc/zabbix/zabbix.conf.php"
TRAPPER_PORT = 10051
ADMIN = "Admin"

_SERVER_CFG = f"""\
DBHost={database.SOCKET_DIR}
DBName=zabbix
DBUser=zabbix
ListenPort={TRAPPER_PORT}
LogFile={ZABBIX_DIR}/run/server.log
PidFile={ZABBIX_DIR}/run/server.pid
SocketDir={ZABBIX_DIR}/run
CacheUpdateFrequency=1
StartPollers=2
StartPollersUnreachable=1
StartTrappers=4
StartPingers=1
StartDiscoverers=0
StartHTTPPollers=0
StartODBCPollers=0
StartPreprocessors=1
StartLLDProcessors=1
StartDBSyncers=2
StartTimers=1
StartEscalators=1
StartAlerters=1
StartHistoryPollers=1
HousekeepingFrequency=0
CacheSize=16M
HistoryCacheSize=4M
HistoryIndexCacheSize=1M
TrendCacheSize=1M
TrendFunctionCacheSize=128K
ValueCacheSize=4M
"""

_WEB_CFG = """\
<?php
$DB['TYPE'] = 'POSTGRESQL';
$DB['SERVER'] = '{socket}';
$DB['PORT'] = '0';
$DB['DATABASE'] = 'zabbix';
$DB['USER'] = 'zabbix';
$DB['PASSWORD'] = '';
$DB['SCHEMA'] = '';
$DB['ENCRYPTION'] = false;
$DB['KEY_FILE'] = '';
$DB['CERT_FILE'] = '';
$DB['CA_FILE'] = '';
$DB['VERIFY_HOST'] = false;
$DB['CIPHER_LIST'] = '';
$DB['VAULT_URL'] = '';
$DB['VAULT_DB_PATH'] = '';
$DB['VAULT_TOKEN'] = '';
$DB['DOUBLE_IEEE754'] = true;
$ZBX_SERVER = '{address}';
$ZBX_SERVER_PORT = '{port}';
$ZBX_SERVER_NAME = 'ha-monitor lab';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""


@dataclass(frozen=True)
class Zabbix:
    """The Zabbix server in `host`, listening at `address`; `password` is the web user Admin's."""

    host: StackHost
    address: str
    password: str

    def write_configuration(self) -> None:
        """Write the files of the server and of the web pages."""
        make_dir(self.host, ZABBIX_DIR)
        make_dir(self.host, f"{ZABBIX_DIR}/run", "zabbix", "zabbix", 0o750)
        write_file(self.host, SERVER_CFG, _SERVER_CFG + f"ListenIP={self.address}\n")
        text = _WEB_CFG.format(socket=database.SOCKET_DIR, address=self.address, port=TRAPPER_PORT)
        write_file(self.host, WEB_CFG, text)

    def daemon(self) -> Daemon:
        """Return the server; PostgreSQL must be up."""
        argv = ("/usr/sbin/zabbix_server", "-f", "-c", SERVER_CFG)
        return Daemon("zabbix-server", argv, ready=listens(TRAPPER_PORT), user="zabbix", ready_within_s=30)

    def set_password(self) -> None:
        """Replace the known first password of Admin, before anyone can reach the web pages."""
        quoted = self.password.replace("'", "''")
        crypted = f"crypt('{quoted}', gen_salt('bf', 6))"
        database.execute(self.host, f"update users set passwd = {crypted} where username = '{ADMIN}';")
