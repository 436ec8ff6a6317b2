"""What runs in a group: its order, and what becomes of a start, a stop or a service that fails."""

from ha_monitor.core import actions as ac
from ha_monitor.core import events as ev
from ha_monitor.model import Cause, ResourceState, Run
from tests.core.world import VIP, World, causes, command, pair, vip, www


def test_an_address_in_use_by_a_stranger_is_not_claimed():
    world = World()
    for name in ("pub2", "pub3"):
        world[name].strangers[VIP] = "02:00:00:00:00:99"
    world.run(8)
    assert world.owners() == []
    assert Cause.ADDRESS_DUPLICATE in causes(world)
    addresses = [m.group.addresses[0].duplicate_mac for m in world.members[:2]]
    assert "02:00:00:00:00:99" in addresses
    world["pub2"].strangers.clear()
    world["pub3"].strangers.clear()
    world.run(70)
    assert len(world.owners()) == 1


def test_service_that_runs_everywhere_and_fails_on_the_owner_moves_the_address_and_is_restarted():
    world = World(pair(www(vip(), command("nginx", Run.EVERYWHERE))))
    world.run(4)
    member = world["pub2"]
    member.services["nginx"] = ResourceState.FAILED
    member.report("www", "nginx")
    world.run(0.1)
    assert world.owners() == ["pub3"]
    assert causes(world)[-1] is Cause.RESOURCE_FAILED
    world.run(2)
    assert member.services["nginx"] is ResourceState.RUNNING
    assert world["pub3"].group.candidates == ("pub2",)


STEPS = (ac.ActivateWindow, ac.StartResource, ac.StopResource, ac.CloseAddresses)


def steps(member):
    """What was begun with addresses and Resources, each once, in order."""
    seen = []
    for _, action in member.actions:
        name = getattr(action, "resource", None) or next(iter(getattr(action, "resources", ())), "")
        step = type(action).__name__, name
        if isinstance(action, STEPS) and step not in seen:
            seen.append(step)
    return seen


def test_resources_start_left_to_right_and_stop_right_to_left():
    world = World(pair(www(vip(), command("db"), command("app"))))
    world["pub2"].actions.clear()
    world.run(4)
    assert steps(world["pub2"])[-3:] == [
        ("ActivateWindow", VIP),
        ("StartResource", "db"),
        ("StartResource", "app"),
    ]
    world["pub2"].actions.clear()
    world.order("pub2", ev.SwitchOrdered(1, "www", "", "alice"))
    world.run(1)
    assert [step for step in steps(world["pub2"]) if step[0] != "ActivateWindow"] == [
        ("StopResource", "app"),
        ("StopResource", "db"),
        ("CloseAddresses", VIP),
    ]
    assert world["pub3"].services == {"db": ResourceState.RUNNING, "app": ResourceState.RUNNING}


def test_a_stop_that_fails_blocks_the_group_until_an_operator_clears_it():
    world = World(pair(www(vip(), command("db"))))
    world.run(4)
    world["pub2"].stop_fails.add("db")
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.run(5)
    assert world["pub2"].group.state == "blocked"
    assert world["pub3"].services["db"] is ResourceState.STOPPED
    world["pub2"].services["db"] = ResourceState.STOPPED
    world.order("pub2", ev.BlockCleared("www", "alice"))
    world.run(1)
    assert world.owners() == ["pub3"]


def test_a_start_that_fails_here_goes_to_the_other_node():
    world = World(pair(www(vip(), command("db"))))
    world["pub2"].start_fails.add("db")
    world.run(5)
    assert world.owners() == ["pub3"]
    assert "start failed" in world["pub2"].group.eligible_reason


def test_what_failed_here_once_is_no_obstacle_when_the_other_node_dies():
    """A failed unit or a stale pid file stays behind; the group must still come back when nobody else can."""
    world = World(pair(www(vip(), command("worker"))))
    world.run(4)
    pub2 = world["pub2"]
    pub2.services["worker"] = ResourceState.FAILED
    pub2.report("www", "worker")
    pub2.stop_fails.discard("worker")
    world.run(1)
    assert world.owners() == ["pub3"]
    pub2.services["worker"] = ResourceState.FAILED
    pub2.report("www", "worker")
    world.run(10)
    assert world.owners() == ["pub3"]
    world.power_off("pub3")
    world.run(2)
    assert world.owners() == ["pub2"]
    assert pub2.services["worker"] is ResourceState.RUNNING


def test_group_that_failed_here_does_not_come_back_at_once_when_it_fails_there_too():
    world = World(pair(www(vip(), command("worker"))))
    world.run(4)
    for name in ("pub2", "pub3"):
        world[name].services["worker"] = ResourceState.FAILED
        world[name].report("www", "worker")
        world.run(3)
        assert world.owners() == ["pub3"]


def test_of_two_that_failed_the_right_one_starts_again_after_the_left_one():
    world = World(pair(www(command("store"), vip(), command("serve"))))
    world.run(4)
    owner = world["pub2"]
    owner.actions.clear()
    for name in ("store", "serve"):
        owner.services[name] = ResourceState.STOPPED
        owner.report("www", name)
    world.run(3)
    started = [(at, a.resource) for at, a in owner.actions if isinstance(a, ac.StartResource)]
    assert [name for _, name in started] == ["store", "serve"]
    assert started[0][0] < started[1][0]


def test_what_was_ordered_while_there_was_no_worker_is_ordered_again():
    """The guard throws it away when the next worker begins; else the group would stay STARTING for ever."""
    world = World(pair(www(vip(), command("db"))))
    world.run(4)
    pub3 = world["pub3"]
    pub3.is_worker_away = True
    world.order("pub3", ev.WorkerLost())
    world.power_off("pub2")
    world.run(2)
    assert pub3.of(ac.StartResource), "it reaches nobody"
    assert pub3.services["db"] is ResourceState.STOPPED
    pub3.is_worker_away = False
    world.order("pub3", ev.WorkerStarted())
    world.run(1)
    assert pub3.services["db"] is ResourceState.RUNNING
    assert pub3.group.state == "running"


def test_a_stop_that_reached_no_worker_is_ordered_again():
    world = World(pair(www(vip(), command("db"))))
    world.run(4)
    pub2 = world["pub2"]
    pub2.is_worker_away = True
    world.order("pub2", ev.SwitchOrdered(1, "www", "pub3", "alice"))
    world.run(1)
    assert pub2.group.state == "stopping"
    pub2.is_worker_away = False
    world.order("pub2", ev.WorkerStarted())
    world.run(1)
    assert world.owners() == ["pub3"]
