"""The users' own service: a real nginx with 80 virtual hosts, on both Nodes of the pair.

Each name answers with itself and the name of the Node that serves it. The control script is what
a `command` Resource of cluster.toml calls; its exit codes are those of the LSB.
"""

from ha_monitor.lab.stack.hosts import StackHost, make_dir, write_file

# Below /etc, for a Node keeps what is on its disk when its power goes.
WEB_DIR = "/etc/lab-web"
CONTROL = f"{WEB_DIR}/control"
NGINX_CFG = f"{WEB_DIR}/nginx.conf"
PIDFILE = "/run/lab-web.pid"
TEMP_DIR = "/run/lab-web"
VIRTUAL_HOSTS = 80
SERVER_NAMES = tuple(f"www{number:02d}.example" for number in range(1, VIRTUAL_HOSTS + 1))

_NGINX_CFG = """\
user www-data;
worker_processes 1;
pid {pidfile};
error_log {temp}/error.log warn;
events {{
    worker_connections 1024;
}}
http {{
    access_log off;
    default_type text/plain;
    server_tokens off;
    server_names_hash_bucket_size 64;
    client_body_temp_path {temp}/body;
    proxy_temp_path {temp}/proxy;
    fastcgi_temp_path {temp}/fastcgi;
    uwsgi_temp_path {temp}/uwsgi;
    scgi_temp_path {temp}/scgi;
    server {{
        listen 80 default_server;
        listen [::]:80 default_server;
        return 404 "no such name here\\n";
    }}
{servers}
}}
"""
_SERVER = """\
    server {{
        listen 80;
        listen [::]:80;
        server_name {name};
        return 200 "{name} {host}\\n";
    }}"""

_CONTROL = f"""\
#!/bin/sh
# Start, stop and status of the web server; exit codes as in the LSB: 0 running, 3 stopped.
nginx="/usr/sbin/nginx -e {TEMP_DIR}/error.log -c {NGINX_CFG}"

running() {{
    [ -s {PIDFILE} ] && pid=$(cat {PIDFILE}) && grep -q '^nginx: master' /proc/$pid/cmdline 2>/dev/null
}}

# Workers outlive a killed master and keep its port, so that a new one could not start.
end_orphans() {{
    for entry in /proc/[0-9]*; do
        grep -q '^nginx: worker' $entry/cmdline 2>/dev/null && kill -KILL ${{entry#/proc/}}
    done
    rm -f {PIDFILE}
}}

case "$1" in
start)
    running && exit 0
    end_orphans
    mkdir -p {TEMP_DIR}
    exec $nginx
    ;;
stop)
    if running; then
        kill -TERM $pid
        tries=250
        while running && [ $tries -gt 0 ]; do sleep 0.02; tries=$((tries - 1)); done
        running && kill -KILL $pid
    fi
    end_orphans
    exit 0
    ;;
status)
    running && {{ echo "nginx runs, pid $pid"; exit 0; }}
    [ -e {PIDFILE} ] && {{ echo "nginx is dead, its pid file is left"; exit 1; }}
    echo "nginx is stopped"
    exit 3
    ;;
*)
    echo "usage: $0 start|stop|status" >&2
    exit 2
    ;;
esac
"""


def install(host: StackHost) -> None:
    """Write the web server's configuration and control script into a Node; starts nothing."""
    servers = "\n".join(_SERVER.format(name=name, host=host.name) for name in SERVER_NAMES)
    make_dir(host, WEB_DIR)
    write_file(host, NGINX_CFG, _NGINX_CFG.format(pidfile=PIDFILE, temp=TEMP_DIR, servers=servers))
    write_file(host, CONTROL, _CONTROL, mode=0o755)


def resource_toml() -> str:
    """Return the line of cluster.toml that makes this web server a Resource on both Nodes."""
    lines = ", ".join(f'{verb} = "{CONTROL} {verb}"' for verb in ("start", "stop", "status"))
    return f'{{ command = "nginx", {lines}, pidfile = "{PIDFILE}", run = "everywhere" }}'
