"""One Apache in a lab host that serves Nagios's CGI pages and Zabbix's PHP pages.

Debian's own snippets are not used: they keep lab addresses out and set PHP's limits for PHP 7 only.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ha_monitor.lab.stack.daemons import Daemon, listens
from ha_monitor.lab.stack.database import CACHE_DIR
from ha_monitor.lab.stack.hosts import StackError, StackHost, make_dir, write_file
from ha_monitor.lab.stack.nagios import CGI_CFG

APACHE_DIR = "/run/stack/apache"
APACHE_CFG = f"{APACHE_DIR}/apache.conf"
LOCALE_DIR = f"{APACHE_DIR}/locale"
WEB_PORT = 8080
MODULES_DIR = Path("/usr/lib/apache2/modules")
MODULES = (
    "mpm_prefork", "authz_core", "authz_host", "dir", "alias", "mime", "env", "cgi", "headers",
)  # fmt: skip

_APACHE_CFG = """\
ServerRoot {dir}
ServerName mon
PidFile {dir}/apache.pid
Mutex file:{dir} default
Listen {address}:{port}
ErrorLog {dir}/error.log
LogLevel warn
User www-data
Group www-data
Timeout 60
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 15
StartServers 4
MinSpareServers 2
MaxSpareServers 6
MaxRequestWorkers 16
{modules}
TypesConfig /etc/mime.types
DirectoryIndex index.php index.html
<FilesMatch "\\.php$">
    SetHandler application/x-httpd-php
</FilesMatch>

<Directory />
    AllowOverride None
    Require all denied
</Directory>
<DirectoryMatch "^/usr/share/(nagios4|zabbix)|^/usr/lib/cgi-bin/nagios4|^/etc/nagios4/stylesheets">
    Options FollowSymLinks ExecCGI
    Require all granted
</DirectoryMatch>
<DirectoryMatch "^/usr/share/zabbix/(conf|app|include|local)(/|$)">
    Require all denied
</DirectoryMatch>

ScriptAlias /nagios4/cgi-bin /usr/lib/cgi-bin/nagios4
ScriptAlias /cgi-bin/nagios4 /usr/lib/cgi-bin/nagios4
Alias /nagios4/stylesheets /etc/nagios4/stylesheets
Alias /nagios4 /usr/share/nagios4/htdocs
SetEnv NAGIOS_CGI_CONFIG {cgi_cfg}

Alias /zabbix /usr/share/zabbix
php_value max_execution_time 300
php_value max_input_time 300
php_value memory_limit 256M
php_value post_max_size 16M
php_value upload_max_filesize 2M
php_value max_input_vars 10000
php_value date.timezone UTC
php_value session.save_path {dir}/sessions
"""


def cached_locale(cache_dir: Path = CACHE_DIR) -> Path:
    """Return a directory with the locale en_US.UTF-8, compiled on the first call.

    Without it every Zabbix page bears a red box; made here, the machine's own list stays as it is.
    """
    locale = cache_dir / "locale"
    if not (locale / "en_US.UTF-8" / "LC_CTYPE").exists():
        locale.mkdir(parents=True, exist_ok=True)
        target = str(locale / "en_US.UTF-8")
        command = ["localedef", "--no-archive", "-i", "en_US", "-f", "UTF-8", target]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if not (locale / "en_US.UTF-8" / "LC_CTYPE").exists():
            raise StackError(f"the locale en_US.UTF-8 could not be made: {done.stderr.strip()}")
    return locale


@dataclass(frozen=True)
class Apache:
    """The web server in `host`, at `address` and WEB_PORT."""

    host: StackHost
    address: str

    @property
    def url(self) -> str:
        """The address of its pages, as the lab's hosts reach them."""
        return f"http://{self.address}:{WEB_PORT}"

    def write_configuration(self) -> None:
        """Write its file, its directories and the locale that Zabbix's pages want."""
        make_dir(self.host, APACHE_DIR)
        make_dir(self.host, f"{APACHE_DIR}/sessions", "www-data", "www-data", 0o700)
        shutil.copytree(cached_locale(), self.host.path(LOCALE_DIR), dirs_exist_ok=True)
        text = _APACHE_CFG.format(
            dir=APACHE_DIR,
            address=self.address,
            port=WEB_PORT,
            modules=_load_modules(),
            cgi_cfg=CGI_CFG,
        )
        write_file(self.host, APACHE_CFG, text)

    def daemon(self) -> Daemon:
        """Return the server; it can start before what it shows."""
        argv = ("/usr/sbin/apache2", "-f", APACHE_CFG, "-D", "FOREGROUND")
        return Daemon("apache", argv, ready=listens(WEB_PORT), env={"LOCPATH": LOCALE_DIR})


def _load_modules() -> str:
    lines = [
        f"LoadModule {name}_module {MODULES_DIR}/mod_{name}.so"
        for name in MODULES
        if (MODULES_DIR / f"mod_{name}.so").exists()
    ]
    php = sorted(MODULES_DIR.glob("libphp*.so"))
    if not php:
        raise StackError(f"{MODULES_DIR} holds no libphp*.so: libapache2-mod-php is missing")
    return "\n".join([*lines, f"LoadModule php_module {php[-1]}"])
