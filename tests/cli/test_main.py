"""The command line: only the chosen verb is loaded, errors are one line, exit codes are kept."""

import subprocess
import sys

import pytest

from ha_monitor.cli import main as cli

HEAVY = (
    "requests",
    "asyncio",
    "rich",
    "pyzabbix",
    "zabbix_utils",
    "msgspec",
    "psutil",
    "nagiosplugin",
    "ssl",
    "dbus_fast",
)
LOADED = """
import sys
from ha_monitor.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("LOADED", *sorted(name.split(".")[0] for name in sys.modules))
"""


def loaded_by(*argv, environment=None):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *argv],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return set(done.stdout.rpartition("LOADED")[2].split()), done


@pytest.mark.parametrize(
    "argv", [["--version"], ["--help"], ["status"], ["status", "--json"], ["stop"], ["explain", "www"]]
)
def test_quick_verbs_load_no_heavy_module(argv, tmp_path):
    environment = {"HA_MONITOR_RUN": str(tmp_path), "PATH": "/usr/bin"}
    loaded, _ = loaded_by(*argv, environment=environment)
    assert "ha_monitor" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_module_list_would_show_a_heavy_module():
    script = LOADED.replace("import sys\n", "import sys, ssl\n", 1)
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.rpartition("LOADED")[2].split()).isdisjoint(HEAVY)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    assert verb in capsys.readouterr().out


def test_verb_that_does_not_exist_is_named_with_those_that_do(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["swich"])
    assert ended.value.code == 2
    assert "switch" in capsys.readouterr().err


def test_error_is_one_line_and_code_2(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HA_MONITOR_RUN", str(tmp_path))
    assert cli.main(["status"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ha-monitor: no ha-monitor daemon runs on this host")
    assert told.count("\n") == 1


def test_interrupt_is_no_traceback(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "make_parser", interrupted)
    assert cli.main(["status"]) == 130
    assert "interrupted" in capsys.readouterr().err
