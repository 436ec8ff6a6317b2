"""A full disk, no memory, no files: each bites, and ends."""

import errno
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ha_monitor.lab import hardship, memory
from ha_monitor.lab.memory import MemoryLimit

pytestmark = pytest.mark.lab

BLOW = SimpleNamespace(host="pub2")
LAB = f"h{os.getpid()}"


@pytest.fixture(autouse=True)
def root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def child():
    """Does at each line that it gets what the line says, and tells the error's number."""
    code = (
        "import sys\n"
        "for line in sys.stdin:\n"
        "    try:\n"
        "        exec(line); print(0, flush=True)\n"
        "    except OSError as error:\n"
        "        print(error.errno, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert told(process, "pass") == "0", "it has begun"
    yield process
    process.kill()
    process.communicate()


def told(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_who_has_no_memory_left_is_killed_by_the_kernel_and_that_is_counted(child):
    if memory.parent() is None:
        pytest.skip("no memory controller")
    limit = MemoryLimit(LAB, "pub2")
    assert told(child, "bytearray(8 << 20)") == "0"
    limit.tighten([child.pid])
    try:
        assert told(child, "kept = bytearray(64 << 20)") == ""
        assert child.wait(30) == -9
        assert limit.kills() == 1
    finally:
        limit.lift()
    assert not limit._group.exists()


def test_who_may_open_no_more_files_is_told_so_until_it_ends(child, monkeypatch):
    monkeypatch.setattr(hardship, "daemon_processes", lambda _host: [SimpleNamespace(pid=child.pid)])
    monkeypatch.setattr(hardship, "Daemons", lambda _lab: SimpleNamespace(start_on=lambda _host: None))
    lab = SimpleNamespace(host=lambda _name: SimpleNamespace(is_on=lambda: True))
    hardship.take_files(lab, BLOW)
    assert told(child, "open('/dev/null')") == str(errno.EMFILE)
    hardship.give_files(lab, BLOW)
    assert told(child, "open('/dev/null')") == "0"


def test_on_a_full_disk_not_a_byte_can_be_written_until_it_is_emptied(tmp_path):
    lab = SimpleNamespace(host=lambda _name: SimpleNamespace(path=lambda _directory: tmp_path))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", tmp_path], check=True)
    try:
        hardship.fill_disk(lab, BLOW)
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "memory.json").write_bytes(b"x")
        hardship.empty_disk(lab, BLOW)
        (tmp_path / "memory.json").write_bytes(b"x")
    finally:
        subprocess.run(["umount", tmp_path], check=True)
