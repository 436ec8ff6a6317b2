"""A refresh never makes its caller wait, and never comes after the address was given up."""

import ipaddress
import threading
import time

from ha_monitor.errors import NetlinkError
from ha_monitor.net.refresher import Refresher
from ha_monitor.net.rtnetlink import ServiceForm

BOUND_S = 30


def form(number):
    return ServiceForm(ipaddress.ip_interface(f"192.0.2.{number}/32"), 1, 4).as_host_address()


class Route:
    """A kernel whose lock somebody else holds until ``free`` is set."""

    def __init__(self, is_free=True):
        self.free = threading.Event()
        if is_free:
            self.free.set()
        self.began, self.added, self.is_closed = threading.Event(), [], threading.Event()
        self.refuses = False

    def add(self, where):
        self.began.set()
        assert self.free.wait(BOUND_S)
        self.added.append(str(where.interface.ip))
        if self.refuses:
            raise NetlinkError("no")

    def close(self):
        self.is_closed.set()


def wait_for(is_so):
    deadline = time.monotonic() + BOUND_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_asking_does_not_wait_for_the_kernel():
    route = Route(is_free=False)
    refresher = Refresher(route)
    refresher.ask(form(1))
    assert route.began.wait(BOUND_S)
    refresher.ask(form(2))  # the first is still under way
    assert route.added == []
    route.free.set()
    wait_for(lambda: route.added == ["192.0.2.1", "192.0.2.2"])
    refresher.close()


def test_what_is_settled_is_not_refreshed_any_more():
    route = Route(is_free=False)
    refresher = Refresher(route)
    refresher.ask(form(1))
    assert route.began.wait(BOUND_S)
    refresher.ask(form(2))
    settled = threading.Event()

    def settle():
        refresher.settle([form(2).interface.ip])
        settled.set()

    threading.Thread(target=settle, daemon=True).start()
    assert not settled.wait(0.2)  # one is under way: whoever removes the address now must come after it
    route.free.set()
    assert settled.wait(BOUND_S)
    refresher.ask(form(3))
    wait_for(lambda: route.added == ["192.0.2.1", "192.0.2.3"])
    refresher.close()


def test_a_refusal_ends_nothing():
    route = Route()
    route.refuses = True
    refresher = Refresher(route)
    refresher.ask(form(1))
    wait_for(lambda: route.added == ["192.0.2.1"])
    refresher.ask(form(2))
    wait_for(lambda: route.added == ["192.0.2.1", "192.0.2.2"])
    refresher.close()


def test_closing_gives_the_socket_back_with_and_without_a_thread():
    for asked in ([], [form(1)]):
        route = Route()
        refresher = Refresher(route)
        for where in asked:
            refresher.ask(where)
        refresher.close()
        assert route.is_closed.wait(BOUND_S)
