"""The plugins: what they say, and that all that fails is UNKNOWN with one line."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import nagiosplugin
import pytest

from ha_monitor.view import MaintenanceView
from tests.views import GROUP, healthy, link, node

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("cluster", "node", "group", "link")
EACH = pytest.mark.parametrize("name", NAMES)


def load(name):
    loader = SourceFileLoader(f"check_ha_{name}", str(ROOT / "plugins" / f"check_ha_{name}"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


MODULES = {name: load(name) for name in NAMES}


def parser_of(name):
    module = MODULES[name]
    return module.arguments() if hasattr(module, "arguments") else module.make_parser("check", "d", "r")


def check(name, view, *argv):
    """Exit code, sentence and performance data of one plugin for that view."""
    made = MODULES[name].make_check(parser_of(name).parse_args(argv), lambda: view)
    made()
    return made.exitcode, made.summary_str, " ".join(made.perfdata)


def test_a_healthy_pair_is_ok_everywhere():
    assert check("cluster", healthy()) == (
        0,
        "2 of 2 Nodes online, 3 votes of 2 needed",
        "match=1;1: missing=0;0;;0 nodes=2;;1:;0;2 protection=2;2: quorate=1;;1: votes=3;;;0",
    )
    assert check("node", healthy()) == (
        0,
        "pub2 is online, owns 1 groups, version 0.1.0",
        "age=0.0s;10;30;0 eligible=1;1: groups=1;;;0 stall=3ms;;;0 stall_pct=0.3%;50;80;0",
    )
    assert check("group", healthy()) == (
        0,
        "www running on pub2",
        (
            "candidates_www=1;1:;;0 lease_left_www=88%;30:;15:;0;100 moves_1h_www=0;;;0 owners_www=1;;1:1;0"
            " unasked_1h_www=0;2;4;0"
        ),
    )
    code, sentence, data = check("link", healthy())
    assert (code, sentence) == (0, "lan to pub3 up, direct to pub3 up, lan to mon up")
    assert "loss_pub3_direct=0.0%;5;20;0;100" in data
    assert "rtt_mon_lan=0.3ms;50;200;0" in data


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"nodes_online": 1}, 1, "1 Nodes missing (outside range 0:0)"),
        ({"nodes_online": 0}, 2, "nodes is 0 (outside range 1:)"),
        ({"is_quorate": False}, 2, "quorate is 0 (outside range 1:)"),
        ({"state": "at-risk"}, 1, "the cluster is at-risk"),
        ({"state": "down"}, 2, "the cluster is down"),
        ({"state": "sparkling"}, 3, "the cluster is sparkling"),
        ({"witness_state": "lost"}, 1, "the Witness is lost"),
        ({"witness": "", "witness_state": ""}, 0, "2 of 2 Nodes online, 3 votes of 2 needed"),
        ({"config_match": False}, 1, "match is 0 (outside range 1:)"),
        ({"protection": 1}, 1, "protection is 1 (outside range 2:)"),
        (
            {"maintenance": MaintenanceView(True, 60, "new switch", "ada")},
            0,
            "2 of 2 Nodes online, 3 votes of 2 needed, in maintenance: new switch",
        ),
    ],
)
def test_the_cluster(changes, code, said):
    assert check("cluster", replace(healthy(), **changes))[:2] == (code, said)


def test_ranges_of_the_user_replace_the_plugins_own():
    one = replace(healthy(), nodes_online=1)
    assert check("cluster", one, "-w", "1:", "-c", "1:")[0] == 0
    assert check("cluster", one, "-c", "2:")[0] == 2
    assert check("group", healthy(), "-w", "2:")[0] == 1
    assert check("group", healthy(), "-w", "0:", "-c", "@0:1")[0] == 2


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"state": "lost", "age_ms": 31_000, "eligible": False}, 2, "age is 31s (outside range 0:30)"),
        ({"state": "suspect"}, 1, "the Node is suspect"),
        ({"eligible": False}, 1, "eligible is 0 (outside range 1:)"),
        ({"state": "standby"}, 0, "pub3 is standby, owns 0 groups, version 0.1.0"),
        ({"age_ms": -1, "state": "joining"}, 1, "the Node is joining"),
    ],
)
def test_a_named_node(changes, code, said):
    nodes = (healthy().nodes[0], node("pub3", **changes))
    assert check("node", replace(healthy(), nodes=nodes), "pub3")[:2] == (code, said)


def test_the_witness_need_not_be_ready_for_a_takeover():
    assert check("node", healthy("mon"))[0] == 0


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"owners": 2}, 2, "owners is 2 (outside range 1:1)"),
        ({"owner": "", "owners": 0, "state": "stopped"}, 2, "owners is 0 (outside range 1:1)"),
        ({"state": "blocked"}, 2, "the group is blocked"),
        ({"state": "degraded"}, 1, "the group is degraded"),
        ({"candidates": ()}, 1, "candidates is 0 (outside range 1:)"),
        ({"unasked_1h": 5}, 2, "unasked_1h is 5 (outside range 0:4)"),
        ({"moves_1h": 50}, 0, "www running on pub2"),
        ({"hold": "moves"}, 1, "the group is held and asks: see ha-monitor explain"),
        ({"hold": "livelock"}, 2, "the group is frozen and asks: see ha-monitor explain"),
        ({"renewal_margin_pct": 20}, 1, "lease_left is 20% (outside range 30:)"),
        ({"renewal_margin_pct": -1}, 0, "www running on pub2"),
    ],
)
def test_a_named_group(changes, code, said):
    view = replace(healthy(), groups=(replace(GROUP, **changes),))
    assert check("group", view, "www")[:2] == (code, said)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"state": "down"}, 2, "the Link is down"),
        ({"state": "one-way"}, 1, "the Link is one-way"),
        ({"loss_pct": 6.0}, 1, "loss_pub3_lan is 6% (outside range 0:5)"),
        ({"rtt_ms": 300.0}, 2, "rtt_pub3_lan is 300ms (outside range 0:200)"),
        ({"rtt_ms": -1.0}, 0, "lan to pub3 up"),
    ],
)
def test_a_named_link(changes, code, said):
    view = replace(healthy(), links=(replace(link("pub3", "lan"), **changes), link("mon", "lan")))
    assert check("link", view, "--peer", "pub3", "--link", "lan")[:2] == (code, said)


@pytest.mark.parametrize(
    ("name", "argv", "said"),
    [
        ("node", ["pub9"], "no Node 'pub9' in this cluster, there are pub2, pub3, mon"),
        ("group", ["ftp"], "no group 'ftp' in this cluster, there are www"),
        (
            "link",
            ["--peer", "x"],
            "no such Link on this host, there are lan to pub3, direct to pub3, lan to mon",
        ),
    ],
)
def test_what_is_not_there_is_unknown_and_names_what_is(name, argv, said):
    assert check(name, healthy(), *argv)[:2] == (3, said)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("cluster", lambda v, x: replace(v, nodes_online=x)),
        ("node", lambda v, x: replace(v, stall_max_ms=x)),
        ("group", lambda v, x: replace(v, groups=(replace(GROUP, owners=x),))),
        ("link", lambda v, x: replace(v, links=(replace(link("pub3", "lan"), loss_pct=x),))),
    ],
)
def test_a_number_that_is_none_is_unknown_and_never_ok(name, spoil, value):
    code, said, _ = check(name, spoil(healthy(), value))
    assert (code, "which is no measure" in said) == (3, True)


def test_without_our_guard_nan_would_be_ok():
    """The bug that the test above looks for, planted."""

    class Careless(nagiosplugin.Resource):
        def probe(self):
            yield nagiosplugin.Metric("owners", float("nan"))

    made = nagiosplugin.Check(Careless(), nagiosplugin.ScalarContext("owners", critical="1:1"))
    made()
    assert made.exitcode == 0


# As programs: arguments, files, sockets, exit codes.


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def write_view(run_dir, view):
    (run_dir / "view.json").write_text(json.dumps(asdict(view)))


def run(name, run_dir, *argv, **options):
    environment = {**os.environ, "HA_MONITOR_RUN": str(run_dir), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "plugins" / f"check_ha_{name}"), *argv]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False, **options
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout


@EACH
def test_as_a_program_it_reads_the_state_file(name, run_dir):
    write_view(run_dir, replace(healthy(), stamp_ns=time.time_ns()))
    code, out = run(name, run_dir)
    assert code == 0, out
    assert out.startswith(("CLUSTER OK", "NODE OK", "GROUPS OK", "LINKS OK"))
    assert " | " in out
    assert out.count("\n") == 1


def test_a_missing_daemon_is_unknown(run_dir):
    code, out = run("link", run_dir)
    assert (code, "no ha-monitor daemon runs on this host" in out) == (3, True)


def test_a_stale_state_file_is_unknown(run_dir):
    write_view(run_dir, replace(healthy(), stamp_ns=time.time_ns() - 60 * 10**9))
    code, out = run("cluster", run_dir)
    assert (code, "too old to believe" in out) == (3, True)


def test_a_damaged_state_file_is_unknown(run_dir):
    (run_dir / "view.json").write_text('{"cluster": ')
    assert run("group", run_dir)[0] == 3


@pytest.mark.parametrize(
    "argv",
    [
        ["--bogus"],
        ["-w", "5:1"],
        ["-w", "abc"],
        ["-c", "1:2:3"],
        ["-w", "nan"],
        ["-t", "0"],
        ["-t", "soon"],
        ["-w"],
        ["a", "b"],
    ],
)
@EACH
def test_wrong_use_is_unknown_with_one_line(name, argv, capsys):
    with pytest.raises(SystemExit) as ended:
        parser_of(name).parse_args(argv)
    out, err = capsys.readouterr()
    assert (ended.value.code, out.count("\n"), err) == (3, 1, "")
    assert out.startswith("UNKNOWN: ")


def test_wrong_use_of_the_program_is_unknown(run_dir):
    assert run("node", run_dir, "--bogus")[0] == 3


@EACH
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_end_well(name, option, capsys):
    with pytest.raises(SystemExit) as ended:
        parser_of(name).parse_args([option])
    assert ended.value.code == 0
    assert "check" in capsys.readouterr().out


def test_verbose_says_more(run_dir):
    write_view(run_dir, replace(healthy(), stamp_ns=time.time_ns(), nodes_online=1))
    code, out = run("cluster", run_dir, "-v")
    assert code == 1
    assert "1 of 2 Nodes online" in out


def test_a_daemon_that_hangs_is_unknown_within_the_time_limit(run_dir):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(run_dir / "status.sock"))
        server.listen()
        began = time.monotonic()
        code, out = run("cluster", run_dir, "-t", "2")
        assert (code, "did not answer" in out) == (3, True)
        assert time.monotonic() - began < 10


def test_a_daemon_that_answers_is_believed_before_the_file(run_dir):
    write_view(run_dir, replace(healthy(), stamp_ns=time.time_ns(), nodes_online=0))
    answer = json.dumps(asdict(replace(healthy(), stamp_ns=time.time_ns()))).encode()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(run_dir / "status.sock"))
    server.listen()

    def serve():
        conn, _ = server.accept()
        with conn:
            conn.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    code, _ = run("cluster", run_dir)
    thread.join(5)
    server.close()
    assert code == 0


def test_a_missing_library_is_unknown(run_dir, tmp_path):
    (tmp_path / "nagiosplugin.py").write_text("raise ImportError('No module named nagiosplugin')")
    environment = {**os.environ, "HA_MONITOR_RUN": str(run_dir), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, str(ROOT / "plugins" / "check_ha_cluster")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (
        3,
        "UNKNOWN: No module named nagiosplugin; install ha-monitor with its libraries\n",
    )


def test_a_plugin_starts_without_the_heavy_libraries():
    heavy = "requests asyncio ssl rich msgspec tenacity"
    code = (
        "import sys; import ha_monitor.plugin;"
        f"print(sorted({{m.split('.')[0] for m in sys.modules}} & set('{heavy}'.split())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr
