"""Operators' verbs against a played daemon: exit code 0 only when the result was seen."""

import json
from dataclasses import replace

import pytest

from ha_monitor.cli import main as cli
from ha_monitor.view import TransitionView
from tests.cli.daemon import PlayedDaemon
from tests.views import healthy


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("HA_MONITOR_RUN", str(tmp_path))
    made = []

    def start(react, view=None):
        made.append(PlayedDaemon(tmp_path, view or healthy(), react))
        return made[-1]

    yield start
    for one in made:
        one.close()


def with_group(view, **changes):
    return replace(view, groups=(replace(view.groups[0], **changes), *view.groups[1:]))


def with_self(view, **changes):
    return replace(view, nodes=tuple(replace(n, **changes) if n.is_self else n for n in view.nodes))


def ignore(view, order):
    return view


def test_switch_ends_well_when_the_other_node_runs_the_group_alone(daemon, capsys):
    played = daemon(lambda view, order: with_group(view, owner="pub3"))
    assert cli.main(["switch", "www", "--to", "pub3"]) == 0
    assert played.orders == [{"order": "switch", "group": "www", "target": "pub3"}]
    assert "pub2 -> pub3" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes", [{"owner": "pub3", "owners": 2}, {"owner": "pub3", "state": "starting"}, {}]
)
def test_switch_that_is_not_seen_to_be_done_fails(daemon, capsys, changes):
    daemon(lambda view, order: with_group(view, **changes))
    assert cli.main(["switch", "www", "--timeout", "0.3"]) == 2
    assert "did not settle within" in capsys.readouterr().err


def test_switch_after_which_the_old_owner_had_to_start_again_fails_at_once(daemon, capsys):
    daemon(lambda view, order: with_group(view, last=replace(view.groups[0].last, ident="another")))
    assert cli.main(["switch", "www", "--timeout", "30"]) == 2
    assert "www is on pub2 again: nobody took it over" in capsys.readouterr().err


def test_switch_is_not_done_while_the_old_owner_still_has_the_address(daemon):
    def react(view, order):
        two = tuple(replace(a, holders=2) for a in view.groups[0].addresses)
        return with_group(view, owner="pub3", addresses=two)

    daemon(react)
    assert cli.main(["switch", "www", "--timeout", "0.3"]) == 2


def test_refusal_of_the_daemon_is_told_in_its_words(daemon, capsys):
    daemon(lambda view, order: "no other Node can take www now")
    assert cli.main(["switch", "www"]) == 2
    assert capsys.readouterr().err == "ha-monitor: no other Node can take www now\n"


def test_switch_of_an_unknown_group_names_those_there_are(daemon, capsys):
    daemon(ignore)
    assert cli.main(["switch", "web"]) == 2
    assert "there are: www" in capsys.readouterr().err


def test_standby_ends_when_the_group_runs_elsewhere(daemon, capsys):
    daemon(lambda view, order: with_group(with_self(view, state="standby"), owner="pub3"))
    assert cli.main(["standby"]) == 0
    assert "www moved away" in capsys.readouterr().out


def test_standby_with_nowhere_to_go_says_what_stays(daemon, capsys):
    daemon(lambda view, order: with_self(view, state="standby"))
    assert cli.main(["standby", "--timeout", "0.3"]) == 2
    assert "www stays on pub2" in capsys.readouterr().err


def test_standby_of_another_node_is_refused_here(daemon, capsys):
    played = daemon(ignore)
    assert cli.main(["standby", "pub3"]) == 2
    assert "give the order on pub3 itself" in capsys.readouterr().err
    assert played.orders == []


def test_maintenance_is_given_its_length_and_reason(daemon, capsys):
    def react(view, order):
        return replace(view, maintenance=replace(view.maintenance, is_on=order["remaining_ns"] > 0))

    played = daemon(react)
    assert cli.main(["maintenance", "on", "--for", "2h", "--why", "new disks"]) == 0
    assert cli.main(["maintenance", "off"]) == 0
    assert [(o["remaining_ns"], o["why"]) for o in played.orders] == [(7200 * 10**9, "new disks"), (0, "")]


def test_maintenance_without_a_readable_length_is_refused(daemon, capsys):
    daemon(ignore)
    assert cli.main(["maintenance", "on", "--for", "two hours", "--why", "x"]) == 2
    assert "'two hours' is not a whole number" in capsys.readouterr().err


def test_restart_is_done_when_a_new_core_serves_the_same_groups(daemon, capsys):
    def react(view, order):
        played.view = replace(view, incarnation="another", config_digest="changed")

    played = daemon(react)
    assert cli.main(["restart"]) == 0
    assert "with the changed configuration" in capsys.readouterr().out


def test_restart_after_which_nobody_serves_a_group_is_no_success(daemon, capsys):
    def react(view, order):
        played.view = with_group(replace(view, incarnation="another"), owner="", owners=0)

    played = daemon(react)
    assert cli.main(["restart", "--timeout", "0.3"]) == 2
    assert "no new core serves www" in capsys.readouterr().err


def test_restart_during_which_another_node_took_a_group_says_so_at_once(daemon, capsys):
    def react(view, order):
        played.view = with_group(replace(view, incarnation="another"), owner="pub3")

    played = daemon(react)
    assert cli.main(["restart", "--timeout", "600"]) == 2
    assert "restarted, but now www is on pub3" in capsys.readouterr().err


def test_restart_during_which_a_group_went_back_to_its_preferred_node_is_done_and_says_so(daemon, capsys):
    def react(view, order):
        back = TransitionView(kind="failback", cause="failback", sentence="pub3 took www back from pub2")
        played.view = with_group(replace(view, incarnation="another"), owner="pub3", last=back)

    played = daemon(react)
    assert cli.main(["restart", "--timeout", "600"]) == 0
    assert "meanwhile: pub3 took www back from pub2" in capsys.readouterr().out


def test_clear_is_refused_where_nothing_is_blocked(daemon, capsys):
    played = daemon(ignore)
    assert cli.main(["clear", "www"]) == 2
    assert "nothing of group www is blocked" in capsys.readouterr().err
    assert played.orders == []


def test_clear_ends_when_nothing_is_blocked_any_more(daemon):
    free = healthy()
    stuck = tuple(replace(r, state="blocked") for r in free.groups[0].resources)
    daemon(lambda view, order: free, with_group(free, resources=stuck))
    assert cli.main(["clear", "www"]) == 0


def test_clear_answers_a_held_group_on_a_node_where_nothing_is_blocked(daemon, capsys):
    free = healthy()
    daemon(lambda view, order: free, with_group(free, hold="moves", hold_node="pub3"))
    assert cli.main(["clear", "www"]) == 0
    assert capsys.readouterr().out == "group www is no longer held on pub3\n"


def test_explain_prints_the_daemons_sentences(daemon, capsys):
    daemon(ignore, with_group(healthy(), explain=("www is on pub2.", "pub3 would take it.")))
    assert cli.main(["explain", "www"]) == 0
    assert capsys.readouterr().out.startswith("www is on pub2.\npub3 would take it.\n")


def test_status_tells_scripts_by_its_exit_code(daemon, capsys):
    played = daemon(ignore)
    assert cli.main(["status"]) == 0
    played.view = replace(played.view, state="degraded", state_reason="pub3: not online")
    assert cli.main(["status"]) == 1
    assert "DEGRADED: pub3: not online" in capsys.readouterr().out


def test_status_names_each_hosts_version_while_versions_differ(daemon, capsys):
    played = daemon(ignore)
    assert cli.main(["status"]) == 0
    assert "versions differ" not in capsys.readouterr().out
    nodes = tuple(replace(n, version="0.2.0") if n.name == "pub3" else n for n in healthy().nodes)
    played.view = replace(played.view, version_match=False, nodes=nodes)
    assert cli.main(["status"]) == 0
    assert "program versions differ: pub2 0.1.0, pub3 0.2.0, mon 0.1.0" in capsys.readouterr().out


def test_status_says_that_a_silent_host_may_speak_another_version(daemon, capsys):
    played = daemon(ignore, replace(healthy(), rejected={"version": 7, "tag": 1}))
    assert cli.main(["status"]) == 0
    assert "does not know" not in capsys.readouterr().out, "it was heard again since"
    nodes = tuple(replace(n, state="lost") if n.name == "pub3" else n for n in healthy().nodes)
    played.view = replace(played.view, nodes=nodes, state="degraded")
    assert cli.main(["status"]) == 1
    told = capsys.readouterr().out
    assert "7 packets had a format that version 0.1.0 does not know: a silent host (pub3)" in told


def test_status_as_json_is_the_whole_view(daemon, capsys):
    daemon(ignore)
    assert cli.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cluster"] == healthy().cluster
