"""What visitors lose is counted, from their own side: neither more nor less."""

import json
import time

import pytest

from ha_monitor.lab.stack import web
from ha_monitor.lab.stack.hosts import StackError
from ha_monitor.lab.stack.request_load import Window, judge, read_windows, tally
from ha_monitor.lab.stack.visitors import Visitors

MS = 1_000_000
GOOD = b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\nwww01.example pub2\n"


@pytest.mark.stack
def test_visitors_lose_what_is_asked_while_the_server_is_down_and_nothing_else(web_nodes):
    node = web_nodes.host("pub2")
    node.exec([web.CONTROL, "start"])
    visitors = Visitors(web_nodes.host("client"), "192.0.2.12")
    visitors.start()
    time.sleep(0.5)
    up_ns = time.monotonic_ns()
    time.sleep(1.5)
    down_ns = time.monotonic_ns()
    node.exec([web.CONTROL, "stop"])
    stopped_ns = time.monotonic_ns()
    time.sleep(0.6)
    well = visitors.tally(up_ns, down_ns - 100 * MS)
    ill = visitors.tally(stopped_ns, stopped_ns + 500 * MS)
    visitors.stop()
    # 1.4 s at 100 a second; a loaded machine may send fewer, never more.
    assert 70 <= well.sent <= 150
    assert (well.lost, well.answered) == (0, {"pub2": well.sent})
    assert ill.lost == ill.sent > 0
    assert set(ill.reasons) == {"refused"}


@pytest.mark.stack
def test_requests_to_an_address_that_nobody_has_are_lost_by_time(web_nodes):
    visitors = Visitors(web_nodes.host("arp"), "192.0.2.99", rate=20)
    visitors.start()
    start_ns = time.monotonic_ns()
    time.sleep(0.5)
    seen = visitors.tally(start_ns, start_ns + 300 * MS)
    visitors.stop()
    assert seen.lost == seen.sent > 0
    assert set(seen.reasons) == {"timeout"}


@pytest.mark.stack
def test_client_that_does_not_run_is_an_error_and_no_zero(web_nodes):
    with pytest.raises(StackError, match="counted nothing"):
        Visitors(web_nodes.host("pub3"), "192.0.2.12").tally(0, 1)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (GOOD, ("pub2", "")),
        (GOOD.replace(b"www01", b"www02"), (None, "wrong-name")),
        (GOOD.replace(b" 200 ", b" 503 "), (None, "status")),
        (GOOD.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", (None, "wrong-name")),
        (b"", (None, "no-reply")),
    ],
)
def test_reply_counts_only_if_it_names_what_was_asked(reply, verdict):
    assert judge(reply, "www01.example") == verdict


def test_tally_sums_the_windows_of_its_stretch_and_no_others():
    windows = [
        Window(at_ns=0, sent=10, answered={"pub2": 10}),
        Window(at_ns=100, sent=10, answered={"pub2": 4}, lost={"timeout": 6}),
        Window(at_ns=200, sent=10, answered={"pub3": 9}, lost={"refused": 1}),
        Window(at_ns=300, sent=10, lost={"timeout": 10}),
    ]
    seen = tally(windows, since_ns=100, until_ns=300)
    assert (seen.sent, seen.lost) == (20, 7)
    assert seen.answered == {"pub2": 4, "pub3": 9}
    assert seen.reasons == {"timeout": 6, "refused": 1}


def test_line_that_is_still_being_written_is_not_read(tmp_path):
    file = tmp_path / "windows"
    whole = {"at_ns": 1, "sent": 2, "answered": {}, "lost": {}, "open": 0}
    file.write_text(json.dumps(whole) + '\n{"at_ns": 2, "se')
    assert [window.at_ns for window in read_windows(file)] == [1]
