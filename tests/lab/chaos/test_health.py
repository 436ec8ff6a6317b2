"""When a cluster counts as well again, and when an operator is asked."""

from dataclasses import replace

from ha_monitor.lab.chaos.health import questions, unrest
from tests.views import healthy

VOTERS = ("pub2", "pub3")


def views(**changes):
    return {name: replace(healthy(name), **changes) for name in VOTERS}


def with_group(view, **changes):
    return replace(view, groups=(replace(view.groups[0], **changes), *view.groups[1:]))


def answering(**changes):
    return {group.name: group.owner for group in healthy().groups} | changes


def test_a_healthy_cluster_that_is_answered_by_its_owners_is_well():
    assert unrest(views(), answering()) == []


def test_a_daemon_that_gives_no_status_is_not():
    assert unrest({**views(), "pub3": None}, answering()) == ["pub3 gives no status"]


def test_an_owner_that_does_not_answer_from_outside_is_not():
    name = healthy().groups[0].name
    assert f"nobody answers for group {name}" in unrest(views(), answering(**{name: None}))


def test_an_answer_of_a_node_that_nobody_calls_the_owner_is_not():
    group = healthy().groups[0]
    other = "pub3" if group.owner == "pub2" else "pub2"
    told = unrest(views(), answering(**{group.name: other}))
    assert any(line.startswith(f"{other} answers for group {group.name}, but") for line in told)


def test_abstaining_and_lower_protection_are_not():
    told = unrest(views(is_abstaining=True, protection=1), answering())
    assert "pub2 abstains from votes" in told
    assert any("protection is 1" in line for line in told)


def test_an_operator_is_asked_about_a_held_group_and_a_node_that_stands_back():
    group = healthy().groups[0].name
    assert questions(views()) == []
    held = with_group(healthy(), hold="moves")
    back = with_group(healthy(), eligible=False, eligible_reason="start failed: exit 1")
    assert questions({"pub2": held}) == [("pub2", group, "moves")]
    assert questions({"pub2": back}) == [("pub2", group, "start failed: exit 1")]


def test_a_stop_that_failed_is_never_answered_for():
    view = healthy()
    blocked = tuple(replace(resource, state="blocked") for resource in view.groups[0].resources)
    assert questions({"pub2": with_group(view, resources=blocked, hold="moves")}) == []
