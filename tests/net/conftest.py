import os
import shutil

import pytest

from tests.net import hosts


def _why_not() -> str:
    if os.geteuid() != 0:
        return "needs root"
    return "" if shutil.which("ip") and shutil.which("nft") else "needs ip and nft"


@pytest.fixture(scope="session")
def cabled():
    """Both hosts, built once."""
    if why_not := _why_not():
        pytest.skip(why_not)
    hosts.build()
    yield
    hosts.tear_down()


@pytest.fixture
def node(cabled):
    """The Node, its rules and service addresses cleared after each test."""
    yield hosts.NODE
    hosts.run("nft", "flush", "ruleset", host=hosts.NODE)
    for host in (hosts.NODE, hosts.STRANGER):
        hosts.clear(host)


@pytest.fixture
def askers(node):
    """The stranger on `lan` and on `direct`."""
    both = {device: hosts.Asker(device) for device in ("lan", "direct")}
    yield both
    for asker in both.values():
        asker.close()
