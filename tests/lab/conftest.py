"""Labs for the tests: names of their own, so that runs side by side never meet."""

import os
import shutil
from collections.abc import Iterator

import pytest

from ha_monitor.lab.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One lab for all tests that leave it as they found it."""
    if os.geteuid() != 0 or shutil.which("nft", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("needs root and nftables")
    with Lab(f"t{os.getpid()}").session() as shared:
        yield shared


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """A lab that a test may take down, break or crash: not up yet."""
    own = Lab(f"u{os.getpid()}")
    try:
        yield own
    finally:
        own.down()
