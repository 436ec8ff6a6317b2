"""The channel between processes: whole objects, never a wait, the fall of the peer is seen."""

import os

from ha_monitor.runtime import ipc
from tests.runtime.descriptors import open_descriptors


def channels() -> tuple[ipc.Channel, ipc.Channel]:
    left, right = ipc.make_pair()
    return ipc.Channel(left), ipc.Channel(right)


def test_objects_arrive_whole_and_in_order():
    left, right = channels()
    assert left.send({"kind": "a", "n": 1})
    assert left.send({"kind": "b", "text": "x" * 70_000})
    assert [(m["kind"], len(m.get("text", ""))) for m in right.receive()] == [("a", 0), ("b", 70_000)]


def test_full_socket_drops_and_counts_and_does_not_wait():
    left, _ = channels()
    sent = 0
    while left.send({"kind": "view", "text": "x" * 100_000}):
        sent += 1
        assert sent < 1000
    assert left.dropped == 1
    assert not left.is_closed


def test_closed_peer_is_seen_by_reader_and_writer():
    left, right = channels()
    right.close()
    assert left.receive() == []
    assert left.is_closed
    left, right = channels()
    right.close()
    assert not left.send({"kind": "a"})
    assert left.is_closed


def test_what_is_no_object_with_a_kind_is_counted_and_dropped():
    left, right = channels()
    for text in (b"[1]", b"nonsense", b'{"n": 1}', b'{"kind": "good"}'):
        assert left.send_text(text)
    assert right.receive() == [{"kind": "good"}]
    assert right.dropped == 3


def test_descriptors_travel_beside_a_packet():
    left, right = channels()
    reader, writer = os.pipe()
    assert left.send({"kind": "sockets"}, fds=[writer])
    ((received,),) = [message["fds"] for message in right.receive()]
    os.write(received, b"same pipe")
    assert os.read(reader, 20) == b"same pipe"


def test_each_of_several_packets_taken_in_one_go_has_its_own_descriptors():
    left, right = channels()
    pipes = [os.pipe() for _ in range(3)]
    (first, *_), (second, *_), (third, *_) = pipes
    left.send({"kind": "sockets", "n": 1}, fds=[first, second])
    left.send({"kind": "beat"})
    left.send({"kind": "sockets", "n": 2}, fds=[third])
    one, beat, two = right.receive()
    inodes = [[os.fstat(fd).st_ino for fd in message["fds"]] for message in (one, two)]
    assert inodes == [[os.fstat(fd).st_ino for fd in fds] for fds in ([first, second], [third])]
    assert beat == {"kind": "beat"}


def test_descriptors_beside_what_is_no_object_are_closed():
    left, right = channels()
    reader, _ = os.pipe()
    assert left.send_text(b"nonsense", fds=[reader])
    before = open_descriptors()
    assert right.receive() == []
    assert open_descriptors() == before


def test_number_that_a_sender_writes_is_never_taken_for_a_descriptor():
    left, right = channels()
    left.send({"kind": "sockets", "fds": [0, 1, 2]})
    assert right.receive() == [{"kind": "sockets"}]


def test_configuration_can_be_read_by_every_child_from_the_same_memfd(monkeypatch):
    monkeypatch.setenv(ipc.CONFIG_FD, str(ipc.text_fd("config", b'{"name":"web"}')))
    assert ipc.read_config_text() == b'{"name":"web"}'
    assert ipc.read_config_text() == b'{"name":"web"}'
