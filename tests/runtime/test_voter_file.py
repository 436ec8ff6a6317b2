"""The voter's state on tmpfs: resumed within a boot, new and abstaining otherwise."""

import os
import resource
from pathlib import Path

import pytest

from ha_monitor.core.voter import VoterSeat
from ha_monitor.messages import Accept, Prepare, Propose
from ha_monitor.model import Ballot
from ha_monitor.runtime.voter_file import VoterFile, is_volatile, new_incarnation, take_seat
from ha_monitor.timebase import SECOND

HOLD = 10 * SECOND


def test_restarted_process_is_the_same_voter_with_the_same_promises(tmp_path):
    file = VoterFile(tmp_path)
    seat = take_seat(file, 0, HOLD, HOLD, 1, at_ns=0)
    seat.abstain_until_ns = 0
    ballot = Ballot(5, 1, 9)
    seat.answer(1, Prepare("www", ballot), 1)
    assert isinstance(seat.answer(1, Propose("www", ballot, 1, seat.incarnation, SECOND), 1), Accept)
    assert file.write(seat.dump())
    again = take_seat(file, 0, HOLD, HOLD, 1, at_ns=2)
    assert again.incarnation == seat.incarnation
    assert again.held("www", 2) == seat.held("www", 2)


def test_voter_without_memory_is_a_new_life_that_abstains(tmp_path):
    seat = take_seat(VoterFile(tmp_path), 0, HOLD, HOLD, 1, at_ns=100)
    assert seat.is_abstaining(100 + HOLD - 1)
    assert not seat.is_abstaining(100 + HOLD)


def test_memory_of_another_boot_is_none(tmp_path):
    file = VoterFile(tmp_path)
    other = VoterSeat(0, 77, 0, 1, HOLD, boot_id="another boot")
    file.write(other.dump())
    seat = take_seat(file, 0, HOLD, HOLD, 1, at_ns=0)
    assert seat.incarnation != 77
    assert seat.is_abstaining(0)


def test_memory_of_another_voter_is_none(tmp_path):
    file = VoterFile(tmp_path)
    file.write(take_seat(file, 1, HOLD, HOLD, 1, at_ns=0).dump())
    assert take_seat(file, 0, HOLD, HOLD, 1, at_ns=0).is_abstaining(0)


def test_damaged_memory_is_none(tmp_path):
    file = VoterFile(tmp_path)
    state = take_seat(file, 0, HOLD, HOLD, 1, at_ns=0).dump()
    for damaged in (b"", b"{}", state[:-1], state.replace(b"0", b"1")):
        file.write(damaged)
        assert take_seat(file, 0, HOLD, HOLD, 1, at_ns=5).abstain_until_ns == 5 + HOLD


def test_a_link_laid_in_its_way_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("of root")
    (tmp_path / ".voter.state.new").symlink_to(tmp_path / "precious")
    assert VoterFile(tmp_path).write(b"state")
    assert (tmp_path / "precious").read_text() == "of root"
    assert (tmp_path / "voter.state").read_bytes() == b"state"
    assert not (tmp_path / "voter.state").is_symlink()


def test_failed_write_leaves_no_state_to_be_resumed(tmp_path):
    file = VoterFile(tmp_path)
    assert file.write(b"first")
    (tmp_path / ".voter.state.new").mkdir()  # the next write cannot open it
    assert not file.write(b"second")
    assert file.read() is None


def test_tmpfs_is_told_from_a_disk(tmp_path):
    assert is_volatile(Path("/dev/shm"))
    assert not is_volatile(Path("/usr"))


def test_incarnations_are_large_and_differ():
    drawn = {new_incarnation() for _ in range(100)}
    assert len(drawn) == 100
    assert all(0 < value < 1 << 63 for value in drawn)


def test_a_process_without_a_free_descriptor_still_remembers_its_votes(tmp_path):
    file = VoterFile(tmp_path)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        written = [file.write(b"first"), file.write(b"second")]  # the reserve is taken up again
        with pytest.raises(OSError, match="Too many open files"):
            os.open("/dev/null", os.O_RDONLY)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert written == [True, True]
    assert file.read() == b"second"
