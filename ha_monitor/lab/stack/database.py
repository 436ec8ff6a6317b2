"""The PostgreSQL cluster with Zabbix's schema and stock data, loaded once and kept as a tar.

Loading takes about 15 s, unpacking 1 s: the packed cluster is kept outside of the repository,
named by the versions of both packages, and made anew when they change or when it is damaged.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ha_monitor.lab.stack.daemons import Daemon
from ha_monitor.lab.stack.hosts import StackError, StackHost, make_dir

CACHE_DIR = Path("/var/cache/ha-monitor-lab")
SQL_DIR = Path("/usr/share/zabbix-server-pgsql")
DATABASE_DIR = "/run/stack/postgres"
CLUSTER_DIR = f"{DATABASE_DIR}/cluster"
SOCKET_DIR = f"{DATABASE_DIR}/socket"
LOAD_TIMEOUT_S = 300
ENDED_BADLY = (subprocess.CalledProcessError, subprocess.TimeoutExpired)

# It may all be thrown away: no write waits for a disk, and a power-off leaves nothing in /dev/shm.
SETTINGS = """
listen_addresses = ''
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 60
max_wal_size = 256MB
wal_level = minimal
max_wal_senders = 0
autovacuum_naptime = 20s
logging_collector = off
dynamic_shared_memory_type = mmap
"""

# data.sql is 170 000 single INSERTs: sent in packets of 200, a third of the time.
PACK_INSERTS = """{n+=gsub(q,q); if (/;$/ && n%2==0 && /^INSERT/ && ++k%200) sub(/;$/,"\\\\;"); print}"""

# The stock host polls an agent that nobody runs and would raise a problem of its own.
TIDY = """
update hosts set status = 1 where host = 'Zabbix server';
create extension pgcrypto;
"""


def server_program(name: str) -> str:
    """Return the path of a PostgreSQL program, of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version_of)
    if not found:
        raise StackError(f"/usr/lib/postgresql holds no {name}: the package postgresql is missing")
    return str(found[-1])


def cached_cluster(cache_dir: Path = CACHE_DIR) -> Path:
    """Return the packed cluster, made first if it is not there, not whole or of other versions."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    archive = cache_dir / f"zabbix-{_versions()}.tar"
    with _only_one(cache_dir / "lock"):
        if not _is_whole(archive):
            for old in cache_dir.glob("zabbix-*.tar*"):
                old.unlink()
            _build(archive, cache_dir)
    return archive


def unpack(host: StackHost, archive: Path) -> None:
    """Lay a fresh copy of the packed cluster into the host; an older one there is removed."""
    make_dir(host, DATABASE_DIR)
    shutil.rmtree(host.path(CLUSTER_DIR), ignore_errors=True)
    cluster = make_dir(host, CLUSTER_DIR, "postgres", "postgres", 0o700)
    make_dir(host, SOCKET_DIR, "postgres", "postgres")
    subprocess.run(["tar", "-xf", archive, "-C", cluster], check=True, timeout=LOAD_TIMEOUT_S)


def daemon() -> Daemon:
    """Return PostgreSQL on the unpacked cluster, reached through a unix socket alone."""
    argv = (server_program("postgres"), "-D", CLUSTER_DIR, "-k", SOCKET_DIR)
    ready = f"{server_program('pg_isready')} -q -h {SOCKET_DIR}"
    return Daemon("postgres", argv, ready, user="postgres", stop_signal="INT")


def execute(host: StackHost, sql: str) -> None:
    """Run SQL as the superuser inside the host; the text goes through standard input."""
    psql = ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", SOCKET_DIR, "-d", "zabbix"]
    done = host.exec([*_as_postgres(), *psql], stdin=sql, timeout=60, check=False)
    if done.returncode != 0:
        raise StackError(f"PostgreSQL refused: {done.stderr.strip()}")


def _version_of(program: Path) -> float:
    return float(program.parts[-3])


def _as_postgres() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def _versions() -> str:
    """Return the versions that decide the cluster's content, fit for a file's name."""
    query = ["dpkg-query", "-W", "-f=${Version}\n", "zabbix-server-pgsql"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0 or not (SQL_DIR / "schema.sql.gz").exists():
        raise StackError("the package zabbix-server-pgsql is not installed")
    recipe = hashlib.sha256((SETTINGS + PACK_INSERTS + TIDY).encode()).hexdigest()[:8]
    postgres = Path(server_program("postgres")).parts[-3]
    # A colon would make tar look for another machine.
    version = done.stdout.split()[0].replace(":", "_")
    return f"{version}-postgresql{postgres}-{recipe}"


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Keep a second lab from building the same cluster at the same time."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").hexdigest()


def _is_whole(archive: Path) -> bool:
    recorded = archive.with_suffix(".tar.blake2b")
    if not archive.exists() or not recorded.exists():
        return False
    return recorded.read_text().strip() == _digest_of(archive)


def _build(archive: Path, cache_dir: Path) -> None:
    """Load a cluster in a directory of its own and pack it; the name appears when all is there."""
    # A unix socket's path may have 107 bytes: the cache's directory could be deeper than that.
    with tempfile.TemporaryDirectory(prefix="ha-monitor-db-") as scratch:
        work = Path(scratch)
        shutil.chown(work, "postgres", "postgres")
        packed = cache_dir / "being-packed"
        try:
            _load(work)
            subprocess.run(
                ["tar", "-cf", packed, "-C", work / "cluster", "."], check=True, timeout=LOAD_TIMEOUT_S
            )
        except ENDED_BADLY as error:
            said = (error.stderr or b"").decode(errors="replace").strip()
            raise StackError(f"Zabbix's database could not be loaded: {error}\n{said}") from error
        archive.with_suffix(".tar.blake2b").write_text(_digest_of(packed) + "\n")
        os.replace(packed, archive)


def _load(work: Path) -> None:
    cluster = work / "cluster"
    init = [server_program("initdb"), "-D", str(cluster), "-A", "trust", "-E", "UTF8"]
    _run([*init, "--locale=C.UTF-8", "--no-sync"], work)
    with (cluster / "postgresql.conf").open("a") as file:
        file.write(SETTINGS)
    control = [server_program("pg_ctl"), "-D", str(cluster), "-w", "-t", "60"]
    _run([*control, "-l", str(work / "log"), "-o", f"-k {work}", "start"], work)
    try:
        _fill(work)
    finally:
        _run([*control, "-m", "fast", "stop"], work)


def _fill(work: Path) -> None:
    _sql(work, "postgres", "create role zabbix login")
    _sql(work, "postgres", "create database zabbix owner zabbix encoding 'UTF8' template template0")
    # The tables must belong to the role that the server and the web pages use.
    _pipe(work, "zabbix", f"zcat {SQL_DIR}/schema.sql.gz")
    _pipe(work, "zabbix", f"zcat {SQL_DIR}/images.sql.gz")
    packed = f"""zcat {SQL_DIR}/data.sql.gz | awk -v q="'" "$1" """
    # Foreign keys and triggers off while loading: the stock data is known to fit together.
    _pipe(work, "postgres", packed, PACK_INSERTS, options="-c session_replication_role=replica")
    _sql(work, "zabbix", TIDY)
    # Without statistics the first API calls take ten seconds instead of one.
    _sql(work, "zabbix", "analyze")


def _sql(work: Path, database: str, sql: str) -> None:
    psql = ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", str(work), "-d", database]
    _run([*psql, "-c", sql], work)


def _pipe(work: Path, user: str, source: str, *arguments: str, options: str = "") -> None:
    """Feed the database with what the shell line `source` prints; `arguments` are its $1 ..."""
    psql = f"psql -qX -v ON_ERROR_STOP=1 -h {work} -U {user} -d zabbix"
    script = f"set -o pipefail; {source} | PGOPTIONS='{options}' {psql}"
    _run(["bash", "-c", script, "load", *arguments], work)


def _run(command: Sequence[str], work: Path) -> None:
    subprocess.run(
        [*_as_postgres(), *command],
        cwd=work,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=LOAD_TIMEOUT_S,
    )
