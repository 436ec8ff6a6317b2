"""The first thing that runs on a fresh machine: its bare Python, its packages, its daemons."""

import subprocess
from pathlib import Path

import pytest

from ha_monitor.lab import prerequisites
from ha_monitor.lab.prerequisites import (
    PACKAGES,
    Missing,
    Package,
    chosen_packages,
    missing_of,
    no_daemon_starts,
)


def test_it_runs_with_the_bare_python_and_nothing_but_the_standard_library():
    root = Path(prerequisites.__file__).parents[2]
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ha_monitor.lab.prerequisites import main; sys.exit(main(['--list']))"
    )
    argv = ["/usr/bin/python3", "-I", "-S", "-c", script, str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "nsca-ng-client" in done.stdout
    assert "openssh-server" not in done.stdout


def test_every_package_says_why_and_stands_once():
    assert all(package.why for package in PACKAGES)
    assert len({package.name for package in PACKAGES}) == len(PACKAGES)


def test_programs_to_compare_with_are_installed_only_when_asked_for():
    def named(*, test: bool, bench: bool) -> set[str]:
        return {package.name for package in chosen_packages(test=test, bench=bench)}

    assert "nginx-light" in named(test=False, bench=False)
    assert "keepalived" in named(test=True, bench=False) - named(test=False, bench=False)
    assert "pacemaker" in named(test=True, bench=True) - named(test=True, bench=False)
    assert named(test=True, bench=True) == {package.name for package in PACKAGES}


def test_a_package_that_is_not_installed_is_found_missing():
    absent = Package("ha-monitor-no-such-package", "to be missed")
    assert missing_of([Package("dpkg", "is always there"), absent]) == [absent]


def test_without_root_it_stops_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr(prerequisites.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(prerequisites, "install", lambda packages: pytest.fail("went on"))
    assert prerequisites.main([]) == 1
    assert "it must run as root" in capsys.readouterr().out


def test_a_kernel_that_lacks_nftables_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        prerequisites, "_quiet", lambda argv: subprocess.CompletedProcess(argv, 13, "", "netdev: no")
    )
    with pytest.raises(Missing, match="this kernel lacks nftables in the netdev family"):
        prerequisites.try_kernel()


def test_the_machines_own_policy_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    policy, saved = tmp_path / "policy-rc.d", tmp_path / "saved"
    monkeypatch.setattr(prerequisites, "_POLICY", policy)
    monkeypatch.setattr(prerequisites, "_POLICY_SAVED", saved)
    monkeypatch.setattr(prerequisites, "_CLUSTER_POLICY", tmp_path / "createcluster.d" / "x.conf")
    policy.write_text("#!/bin/sh\nexit 7\n")

    def interrupted_installation():
        with no_daemon_starts():
            assert subprocess.run([policy], check=False).returncode == 101
            assert "false" in (tmp_path / "createcluster.d" / "x.conf").read_text()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_installation()
    assert policy.read_text() == "#!/bin/sh\nexit 7\n"
    assert not saved.exists()
    assert list((tmp_path / "createcluster.d").iterdir()) == []


def test_a_policy_left_behind_by_a_killed_run_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(prerequisites, "_POLICY", policy)
    monkeypatch.setattr(prerequisites, "_POLICY_SAVED", tmp_path / "saved")
    monkeypatch.setattr(prerequisites, "_CLUSTER_POLICY", tmp_path / "d" / "x.conf")
    policy.write_text(prerequisites._POLICY_TEXT)
    with no_daemon_starts():
        pass
    assert not policy.exists()
