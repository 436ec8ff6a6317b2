"""The ways to Nagios, against real pipes, real directories and a real program in send_nsca's place."""

import os
import threading
import time
from pathlib import Path

import pytest

from ha_monitor.errors import SinkError
from ha_monitor.publish.nagios import CheckResult
from ha_monitor.publish.outbox import Waiting
from ha_monitor.sinks import nsca_ng
from ha_monitor.sinks.command_file import CommandFileSink
from ha_monitor.sinks.nsca_ng import NscaNgSink, read_secret
from ha_monitor.sinks.spool import SpoolSink

T0_NS = 1_700_000_000_000_000_000


def batch(*texts, events=()):
    results = [
        CheckResult("web", f"HA {n}", 1, text, T0_NS + n, text in events, f"e{n}" if text in events else "")
        for n, text in enumerate(texts)
    ]
    return [Waiting(n, result.parcel()) for n, result in enumerate(results)]


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "nagios.cmd"
    os.mkfifo(path)
    return path


def test_commands_arrive_whole_one_per_line(fifo):
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert CommandFileSink(fifo).send(batch("fine", "late")).taken == (0, 1)
    assert os.read(reader, 65536).decode() == (
        "[1700000000] PROCESS_SERVICE_CHECK_RESULT;web;HA 0;1;fine\n"
        "[1700000000] PROCESS_SERVICE_CHECK_RESULT;web;HA 1;1;late\n"
    )
    os.close(reader)


def test_a_pipe_that_nobody_reads_is_an_error_at_once(fifo):
    with pytest.raises(SinkError, match="Nagios is not running"):
        CommandFileSink(fifo).send(batch("fine"))


def test_a_missing_pipe_is_an_error_and_no_plain_file_takes_its_place(tmp_path):
    with pytest.raises(SinkError, match="No such file"):
        CommandFileSink(tmp_path / "nagios.cmd").send(batch("fine"))
    assert list(tmp_path.iterdir()) == []


def test_a_plain_file_in_its_place_is_refused(tmp_path):
    path = tmp_path / "nagios.cmd"
    path.touch()
    with pytest.raises(SinkError, match="is no pipe"):
        CommandFileSink(path).send(batch("fine"))
    assert path.read_bytes() == b""


def test_a_pipe_that_stays_full_takes_what_fits(fifo, monkeypatch):
    monkeypatch.setattr("ha_monitor.sinks.command_file.FULL_WAIT_S", 0.05)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    many = batch(*("x" * 1400 for _ in range(100)))
    taken = CommandFileSink(fifo).send(many).taken
    assert 0 < len(taken) < 100
    with pytest.raises(SinkError, match="full"):
        CommandFileSink(fifo).send(many[len(taken) :])
    assert os.read(reader, 1 << 20).count(b"\n") == len(taken)
    os.close(reader)


def test_a_slow_reader_is_waited_for(fifo):
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    got = bytearray()

    def read():
        while chunk := os.read(reader, 4096):
            got.extend(chunk)

    thread = threading.Thread(target=read)
    keep_open = os.open(fifo, os.O_WRONLY)
    thread.start()
    assert len(CommandFileSink(fifo).send(batch(*("y" * 1400 for _ in range(200)))).taken) == 200
    os.close(keep_open)
    thread.join(5)
    os.close(reader)
    assert got.count(b"\n") == 200


def test_a_spool_file_is_complete_before_its_ok(tmp_path):
    SpoolSink(tmp_path).send(batch("fine", "late"))
    (ok,) = tmp_path.glob("*.ok")
    (file,) = [p for p in tmp_path.iterdir() if p != ok]
    assert ok.name == f"{file.name}.ok"
    assert len(file.name) == 7
    assert file.name.startswith("c")
    text = file.read_text()
    assert text.startswith("### written by ha-monitor\nfile_time=1700000000\n\nhost_name=web\n")
    assert text.count("\n\nhost_name=") == 2
    assert ok.stat().st_size == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_spool_files_belong_to_the_directorys_owner(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    SpoolSink(tmp_path).send(batch("fine"))
    assert {(p.stat().st_uid, p.stat().st_gid) for p in tmp_path.iterdir()} == {(65534, 65534)}


def test_a_missing_spool_directory_is_an_error(tmp_path):
    with pytest.raises(SinkError, match="No such file"):
        SpoolSink(tmp_path / "gone").send(batch("fine"))


def test_only_one_spool_file_waits_at_a_time(tmp_path):
    """Nagios reads waiting files in no order, and lets an older result replace a newer one."""
    sink = SpoolSink(tmp_path)
    assert sink.send(batch("first")).taken == (0,)
    assert sink.send(batch("second")).taken == ()
    (ok,) = tmp_path.glob("*.ok")
    ok.unlink()
    assert sink.send(batch("second")).taken == (0,)


def test_a_spool_file_that_nobody_reads_is_an_error_after_a_while(tmp_path):
    sink = SpoolSink(tmp_path)
    sink.send(batch("first"))
    (ok,) = tmp_path.glob("*.ok")
    os.utime(ok, (0, 0))
    with pytest.raises(SinkError, match="Nagios does not read it"):
        sink.send(batch("second"))


FAKE = """#!/bin/sh
if [ "$1" = -V ]; then echo "send_nsca 1.6 (a fake)"; exit 0; fi
while [ $# -gt 0 ]; do [ "$1" = -c ] && cp "$2" {dir}/config; shift; done
n=$(ls {dir}/call.* 2>/dev/null | wc -l)
cat > {dir}/call.$n
{then}
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    path = tmp_path / "send_nsca"
    monkeypatch.setattr(nsca_ng, "PROGRAMS", (str(path),))

    def write(then="exit 0", text=FAKE):
        path.write_text(text.format(dir=tmp_path, then=then))
        path.chmod(0o755)

    return write


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "nsca.secret"
    path.write_text('# for NSCA-ng\nidentity = "web"\npassword = "s p=cial"\nserver = "ignored"\n')
    path.chmod(0o640)
    return path


@pytest.fixture
def sink(tmp_path, secret):
    return NscaNgSink("192.0.2.9:5668", secret, tmp_path / "private")


def calls(tmp_path):
    return [path.read_text() for path in sorted(tmp_path.glob("call.*"))]


def test_states_share_a_call_and_each_transition_has_its_own(tmp_path, program, sink):
    program()
    assert sink.send(batch("a", "b", "moved", "c", events=("moved",))).taken == (0, 1, 2, 3)
    told = calls(tmp_path)
    assert [text.count("\n") for text in told] == [2, 1, 1]
    assert told[0].startswith("[1700000000] PROCESS_SERVICE_CHECK_RESULT;web;HA 0;1;a\n[1700000000] PROCESS")


def test_the_configuration_is_private_and_made_from_the_secret(tmp_path, program, sink):
    program()
    sink.send(batch("a"))
    config = tmp_path / "private" / "send_nsca.cfg"
    assert config.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "config").read_text() == (
        'server = "192.0.2.9"\nport = "5668"\nidentity = "web"\npassword = "s p=cial"\n'
    )


def test_a_changed_secret_is_used_at_the_next_call(tmp_path, program, sink, secret):
    program()
    sink.send(batch("a"))
    secret.write_text('identity = "web"\npassword = "new"\n')
    sink.send(batch("a"))
    assert 'password = "new"' in (tmp_path / "config").read_text()


def test_a_refusal_is_told_with_exit_code_and_reason(program, sink):
    program("echo 'send_nsca: TLS handshake failed' >&2; exit 1")
    with pytest.raises(SinkError, match=r"192\.0\.2\.9:5668: exit code 1: send_nsca: TLS handshake failed"):
        sink.send(batch("a"))


def test_what_was_taken_before_a_failure_is_known(tmp_path, program, sink):
    program(f"[ -e {tmp_path}/call.1 ] && exit 2; exit 0")
    delivery = sink.send(batch("a", "moved", "c", events=("moved",)))
    assert delivery.taken == (0,)
    assert "exit code 2" in delivery.detail


def test_a_program_that_hangs_is_ended(program, sink, monkeypatch):
    monkeypatch.setattr(nsca_ng, "KILL_AFTER_S", 0.5)
    program("exec sleep 60")
    with pytest.raises(SinkError, match="no end within"):
        sink.send(batch("a"))


def test_states_on_their_way_can_be_given_up(program, sink):
    program("exec sleep 60")
    began = time.monotonic()
    threading.Timer(0.5, sink.abort).start()
    with pytest.raises(SinkError, match="exit code -9"):
        sink.send(batch("a"))
    assert time.monotonic() - began < 5


def test_states_that_were_given_up_before_their_call_are_not_sent(tmp_path, program, sink):
    program()
    sink.arm()
    sink.abort()
    with pytest.raises(SinkError, match="taken back"):
        sink.send(batch("a"))
    assert calls(tmp_path) == []
    sink.arm()
    assert sink.send(batch("a")).taken == (0,)


def test_a_transition_on_its_way_is_left_alone(tmp_path, program, sink):
    program("sleep 1; exit 0")
    threading.Timer(0.3, sink.abort).start()
    assert sink.send(batch("moved", events=("moved",))).taken == (0,)


def test_the_old_nsca_client_of_the_same_name_is_refused(program, sink):
    program(text="#!/bin/sh\necho 'NSCA Client 2.10.2'\n")
    with pytest.raises(SinkError, match="no send_nsca of NSCA-ng"):
        sink.send(batch("a"))


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ('identity = "a"\n', 0o600, "has no line password"),
        ('password = "a"\n', 0o600, "has no line identity"),
        ('identity = "a"\npassword = "b"\n', 0o644, "everybody may read it"),
    ],
)
def test_a_secret_that_is_unfit_is_refused_with_its_reason(tmp_path, text, mode, said):
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(SinkError, match=said):
        read_secret(path)


def test_a_missing_secret_is_told():
    with pytest.raises(SinkError, match="must be able to read identity"):
        read_secret(Path("/nonexistent/secret"))
