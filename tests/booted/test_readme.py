"""README's "Install on two servers", played word by word on three booted hosts, and what it promises."""

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest

from tests.booted.hosts import REPOSITORY
from tests.booted.readme import blocks_of, section_of

pytestmark = [pytest.mark.booted, pytest.mark.timeout(900)]

NODES = ("pub2", "pub3")
CHECKOUT = "usr/local/src/ha-monitor"
WHEELS = "var/tmp/wheels"
JUNK = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", "build", "*.egg-info", "demo-report")
# The hosts have no way to a package index: pip finds the same packages in a directory.
PIP = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": f"/{WHEELS}",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_COMPILE": "1",  # most of an installation's time, three times over on one machine
}
INSTALL_TIMEOUT_S = 480.0

VISITOR = """
import http.client, select, sys, time
while not select.select([sys.stdin], [], [], 0)[0]:  # until whoever started us closes it
    began = time.monotonic()
    try:
        connection = http.client.HTTPConnection("192.0.2.100", timeout=0.25)
        connection.request("GET", "/")
        answer = connection.getresponse().read().decode().strip()
    except OSError:
        answer = "-"
    print(began, time.monotonic(), answer, flush=True)
    time.sleep(max(0, 0.02 - (time.monotonic() - began)))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """What pip needs to install the project, brought here by pip itself."""
    directory = tmp_path_factory.mktemp("wheels")
    source = tmp_path_factory.mktemp("source") / "ha-monitor"
    shutil.copytree(REPOSITORY, source, ignore=JUNK)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(directory)]
    subprocess.run(
        [*command, "setuptools>=66", "wheel", str(source)], check=True, capture_output=True, timeout=300
    )
    for wheel in directory.glob("ha_monitor-*"):
        wheel.unlink()  # the hosts build it themselves
    return directory


@pytest.fixture(scope="module")
def site(hosts, wheels):
    """Three hosts as an administrator has them before the first command."""
    key = wheels / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for host in hosts.values():
        shutil.copytree(REPOSITORY, host.root / CHECKOUT, ignore=JUNK)
        shutil.copytree(wheels, host.root / WHEELS)
        _let_root_in(host, key)
    for name in NODES:
        page = hosts[name].root / "var/www/html/index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"{name}\n")
    return hosts


def _let_root_in(host, key):
    ssh = host.root / "root/.ssh"
    shutil.rmtree(ssh, ignore_errors=True)
    ssh.mkdir(mode=0o700)
    shutil.copy(key, ssh / "id_ed25519")
    shutil.copy(f"{key}.pub", ssh / "authorized_keys")
    (ssh / "config").write_text("StrictHostKeyChecking accept-new\n")
    host.run("ssh-keygen -A && systemctl start ssh")


@pytest.fixture(scope="module")
def installed(site):
    """After step 5 of the README: everything runs."""
    for block in _blocks(lambda step: step <= 5):
        _play(site, block)
    for host in site.values():
        _wait(lambda host=host: _is_settled(host), 40, lambda: _report(site))
    return site


def _blocks(is_wanted):
    section = section_of((REPOSITORY / "README.md").read_text(), "Install on two servers")
    return [block for block in blocks_of(section) if is_wanted(block.step)]


def _play(site, block):
    with ThreadPoolExecutor(len(block.hosts)) as pool:
        runs = [
            pool.submit(site[name].run, block.script, cwd=f"/{CHECKOUT}", env=PIP, timeout=INSTALL_TIMEOUT_S)
            for name in block.hosts
        ]
        try:
            return {name: run.result().stdout for name, run in zip(block.hosts, runs, strict=True)}
        except AssertionError as error:
            raise AssertionError(f"{error}\n{_report(site)}") from None


def _view(host):
    done = host.run("ha-monitor status --json", check=False)
    return json.loads(done.stdout) if done.returncode in (0, 1) else {}


def _owner(host):
    return next((group["owner"] for group in _view(host).get("groups", ())), "")


def _is_settled(host):
    view = _view(host)
    return bool(view) and view["state"] == "ok" and bool(view["groups"][0]["owner"])


def _page(site):
    """The page behind the service address, as the monitoring server sees it."""
    return site["mon"].run("curl -s -m 2 http://192.0.2.100/", check=False).stdout.strip()


def _wait(is_so, within_s, otherwise):
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s\n{otherwise()}")
        time.sleep(0.1)


def _report(site):
    lines = []
    for name, host in site.items():
        unit = "ha-monitor" if name in NODES else "ha-monitor-witness"
        status = host.run("ha-monitor status", check=False)
        lines += [f"--- {name}", status.stdout, status.stderr, host.journal(unit)]
    return "\n".join(lines)


@contextmanager
def _visitor(site):
    """Asks for the page every 20 ms while the block runs; yields the list of answers with their times."""
    leader = site["mon"].leader()
    command = ["nsenter", f"--target={leader}", "--all", "/usr/bin/python3", "-c", VISITOR]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answers = []
    try:
        time.sleep(0.5)
        yield answers
        time.sleep(0.5)
    finally:
        for line in process.communicate(timeout=30)[0].splitlines():
            began, ended, answer = line.split()
            answers.append((float(began), float(ended), answer))


def _longest_gap_ms(answers):
    good = [ended for _, ended, answer in answers if answer != "-"]
    gap_ms = max((later - earlier) * 1000 for earlier, later in pairwise(good))
    print(f"longest gap {gap_ms:.0f} ms over {len(answers)} requests")
    return gap_ms


def _reload(site, host):
    unit = "ha-monitor" if host.name in NODES else "ha-monitor-witness"
    done = host.run(f"systemctl reload {unit}", timeout=120, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{_report(site)}"


def _main_pid(host, unit):
    return host.run(f"systemctl show --value --property=MainPID {unit}").stdout.strip()


def test_pair_is_in_service_after_the_fifth_step(installed):
    owner = _owner(installed["mon"])
    assert owner in NODES
    assert {_owner(installed[name]) for name in NODES} == {owner}
    assert _page(installed) == owner


def test_look_and_move_work_as_written(installed):
    before = _owner(installed["mon"])
    look, move = (block for block in _blocks(lambda step: step >= 6))
    assert _play(installed, look)["mon"].strip().endswith(before)
    other = next(name for name in NODES if name != before)
    lines = _play(installed, move)["pub2"].splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        f"www: {before} -> {other}",
        f"www: {other} -> {before}",
    ]
    assert _page(installed) == before


def test_core_has_real_time_and_locked_memory_under_the_unit(installed):
    for name in installed:
        processes = {process["role"]: process for process in _view(installed[name])["processes"]}
        assert processes["core"]["scheduling"].startswith("fifo"), processes
        assert processes["core"]["locked"], processes


def test_systemd_has_nothing_to_say_against_the_units(installed):
    done = installed["pub2"].run("systemd-analyze verify ha-monitor.service ha-monitor-witness.service")
    assert [line for line in done.stderr.splitlines() if "ha-monitor" in line] == []


def test_reload_touches_no_service(installed):
    owner = installed[_owner(installed["mon"])]
    nginx, guard = _main_pid(owner, "nginx"), _main_pid(owner, "ha-monitor")
    incarnation = _view(owner)["incarnation"]
    with _visitor(installed) as answers:
        _reload(installed, owner)
    assert _view(owner)["incarnation"] != incarnation
    assert (_main_pid(owner, "nginx"), _main_pid(owner, "ha-monitor")) == (nginx, guard)
    assert {answer for _, _, answer in answers} == {owner.name}


def test_restart_of_the_unit_hands_over_and_the_host_joins_again(installed):
    before = _owner(installed["mon"])
    with _visitor(installed) as answers:
        installed[before].run("systemctl restart ha-monitor")
    after = next(name for name in NODES if name != before)
    assert answers[-1][2] == after
    assert _longest_gap_ms(answers) < 1000
    for host in installed.values():
        _wait(lambda host=host: _is_settled(host), 30, lambda: _report(installed))
    assert _owner(installed["mon"]) == after


def test_stop_on_one_host_lets_the_other_serve_and_it_stays_stopped(installed):
    before = _owner(installed["mon"])
    after = next(name for name in NODES if name != before)
    installed[before].run("ha-monitor stop")
    assert _page(installed) == after
    time.sleep(2)
    assert installed[before].run("systemctl is-active ha-monitor", check=False).stdout.strip() == "inactive"
    installed[before].run("systemctl start ha-monitor")
    _wait(lambda: _is_settled(installed["mon"]), 30, lambda: _report(installed))


def test_host_that_reboots_hands_over_first_and_comes_back(installed):
    before = _owner(installed["mon"])
    after = next(name for name in NODES if name != before)
    with _visitor(installed) as answers:
        installed[before].reboot()
    assert answers[-1][2] == after
    # Far less than a Lease: it said goodbye while its nginx still answered.
    assert _longest_gap_ms(answers) < 1000
    _wait(lambda: _is_settled(installed["mon"]), 60, lambda: _report(installed))
    assert _owner(installed["mon"]) == after
    view = _view(installed[before])
    assert {node["name"]: node["state"] for node in view["nodes"]}[after] == "online"


def test_host_without_power_is_replaced_and_comes_back(installed):
    before = _owner(installed["mon"])
    after = next(name for name in NODES if name != before)
    installed[before].power_off()
    _wait(lambda: _page(installed) == after, 10, lambda: "the page does not answer")
    installed[before].boot()
    installed[before].wait_until_up()
    _wait(lambda: _is_settled(installed["mon"]), 60, lambda: _report(installed))
    assert _owner(installed["mon"]) == after


def test_changed_file_takes_effect_at_a_reload_and_its_daemon_outlives_a_restart(installed):
    pidfile = "/run/ticker.pid"
    resource = (
        f'{{ command = "ticker", run = "everywhere", pidfile = "{pidfile}",'
        f" start = \"/bin/sh -c 'sleep 3000 & echo $! > {pidfile}'\","
        f" stop = \"/bin/sh -c 'kill $(cat {pidfile}); rm {pidfile}'\","
        f" status = \"/bin/sh -c 'test -e {pidfile} || exit 3; kill -0 $(cat {pidfile})'\" }},\n]"
    )
    for host in installed.values():
        path = host.root / "etc/ha-monitor/cluster.toml"
        path.write_text(path.read_text().replace("\n]", f"\n  {resource}"))
    for host in installed.values():
        _reload(installed, host)
    for host in installed.values():
        _wait(lambda host=host: _is_settled(host), 30, lambda: _report(installed))
    before = _owner(installed["mon"])
    host = installed[before]
    _wait(lambda: "ticker" in _running(host), 20, lambda: _report(installed))
    pid = host.run(f"cat {pidfile}").stdout
    assert "ha-monitor-ticker-" in host.run(f"cat /proc/{pid.strip()}/cgroup").stdout
    host.run("systemctl restart ha-monitor")
    _wait(lambda: "ticker" in _running(host), 20, lambda: _report(installed))
    assert host.run(f"cat {pidfile}; kill -0 $(cat {pidfile})").stdout == pid


def _running(host):
    resources = (resource for group in _view(host).get("groups", ()) for resource in group["resources"])
    return {resource["name"] for resource in resources if resource["state"] == "running"}
