"""The web server with 80 names, as a Resource would start and stop it."""

import signal
import socket
import time

import pytest

from ha_monitor.lab.stack import web

pytestmark = pytest.mark.stack


def control(host, verb: str) -> int:
    return host.exec([web.CONTROL, verb], check=False, timeout=20).returncode


def ask(link: socket.socket, address: str, name: str) -> str:
    with link:
        link.settimeout(5)
        link.connect((address, 80))
        link.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        with link.makefile("rb") as answer:
            return answer.read().decode().partition("\r\n\r\n")[2]


@pytest.fixture
def pub2(web_nodes):
    node = web_nodes.host("pub2")
    yield node
    control(node, "stop")


def test_control_script_speaks_lsb_and_can_be_called_twice(pub2):
    assert control(pub2, "status") == 3
    assert [control(pub2, "start") for _ in range(2)] == [0, 0]
    assert control(pub2, "status") == 0
    assert [control(pub2, "stop") for _ in range(2)] == [0, 0]
    assert control(pub2, "status") == 3
    assert control(pub2, "dance") == 2


def test_web_server_whose_master_was_killed_is_dead_and_starts_again(pub2):
    control(pub2, "start")
    master = next(each for each in pub2.processes() if each.argv[0].startswith("nginx: master"))
    master.signal(signal.SIGKILL)
    time.sleep(0.1)
    assert control(pub2, "status") == 1
    assert control(pub2, "start") == 0
    assert control(pub2, "status") == 0


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "192.0.2.12"), (socket.AF_INET6, "2001:db8:0:1::12")],
)
def test_each_of_the_80_names_answers_with_itself_and_its_node(pub2, web_nodes, family, address):
    control(pub2, "start")
    client = web_nodes.host("client")
    answers = [ask(client.socket(family, socket.SOCK_STREAM), address, name) for name in web.SERVER_NAMES]
    assert answers == [f"{name} pub2\n" for name in web.SERVER_NAMES]
    assert len(set(web.SERVER_NAMES)) == 80


def test_web_server_survives_a_power_cut_on_its_nodes_disk(web_nodes):
    pub3 = web_nodes.host("pub3")
    control(pub3, "start")
    pub3.power_off()
    pub3.power_on()
    assert control(pub3, "status") == 3
    assert control(pub3, "start") == 0
    control(pub3, "stop")
