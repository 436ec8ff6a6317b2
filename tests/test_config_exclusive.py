"""``exclusive``, ``stop_within`` and ``[watchdog]``: what fits together, and what is said of the rest."""

from __future__ import annotations

import json

import pytest

from ha_monitor.config import parse_config
from ha_monitor.errors import ConfigErrors
from ha_monitor.model import Watchdog
from ha_monitor.plain import from_plain, to_plain
from ha_monitor.timebase import SECOND

HEAD = """
[cluster]
name = "san"
[nodes]
a = { lan = "192.0.2.1" }
b = { lan = "192.0.2.2" }
[witness]
c = "192.0.2.3"
"""
WATCHDOG = '[watchdog]\ndevice = "/dev/watchdog0"\ntimeout = "5s"\n'
FS = '{ command = "fs", start = "/fs", stop = "/fs", status = "/fs", stop_timeout = "10s" }'
DB = '{ systemd = "db", stop_timeout = "4s" }'
VIP = '{ vip = "192.0.2.100/24" }'


def text(settings="exclusive = true", watchdog=WATCHDOG, resources=(FS, DB, VIP), head=HEAD):
    return f"{head}{watchdog}[groups.data]\n{settings}\nresources = [{', '.join(resources)}]\n"


def parse(*args, **changed):
    return parse_config(text(*args, **changed).encode())


def mistakes(*args, **changed):
    with pytest.raises(ConfigErrors) as caught:
        parse(*args, **changed)
    return str(caught.value).splitlines()


def test_stop_within_defaults_to_what_everything_takes_at_most():
    config = parse()
    assert config.groups[0].exclusive
    assert config.groups[0].stop_within_ns == (10 + 4 + 1 + 5) * SECOND
    assert config.watchdog == Watchdog("/dev/watchdog0", 5 * SECOND)


def test_without_a_watchdog_its_timeout_needs_no_time():
    assert parse(watchdog="").groups[0].stop_within_ns == 15 * SECOND


def test_voters_hold_the_lease_and_stop_within_and_no_group_longer():
    config = parse()
    assert config.hold_ns(config.groups[0]) == config.timing.lease_ns + 20 * SECOND
    assert config.longest_hold_ns == config.hold_ns(config.groups[0])


def test_a_group_that_is_not_exclusive_is_held_for_the_lease():
    config = parse("")
    assert config.longest_hold_ns == config.timing.lease_ns


def test_a_time_that_is_too_short_is_refused_with_what_it_must_cover():
    (line,) = mistakes('exclusive = true\nstop_within = "19s"')
    assert "stop_within: '19.0 s' is not at least 20.0 s" in line
    assert "stop_timeout of fs 10.0 s + db 4.0 s + 1.0 s for killing + watchdog 5.0 s" in line


def test_a_time_that_just_fits_is_taken():
    assert parse('exclusive = true\nstop_within = "20s"').groups[0].stop_within_ns == 20 * SECOND


def test_stop_within_means_nothing_without_exclusive():
    (line,) = mistakes('stop_within = "30s"')
    assert "means something with exclusive = true only" in line


def test_an_exclusive_group_needs_something_to_stop():
    (line,) = mistakes(resources=(VIP, '{ systemd = "web", run = "everywhere" }'))
    assert "something to stop" in line


@pytest.mark.parametrize("value", ['"yes"', "1"])
def test_exclusive_is_true_or_false(value):
    (line,) = mistakes(f"exclusive = {value}")
    assert "true or false" in line


def test_a_watchdog_counts_whole_seconds():
    (line,) = mistakes(watchdog='[watchdog]\ntimeout = "1500ms"\n')
    assert "a whole number of seconds" in line


def test_a_pair_that_pings_cannot_have_exclusive_data():
    head = HEAD.replace('name = "san"', 'name = "san"\nquorum = "ping"\nping = ["192.0.2.200"]')
    lines = mistakes(head=head.partition("[witness]")[0])
    assert any("both Nodes may own it" in line for line in lines)


def test_plain_values_pass_through_json_and_come_back_the_same():
    config = parse()
    assert from_plain(json.loads(json.dumps(to_plain(config)))) == config


def test_the_digest_knows_stop_within_and_the_watchdog():
    digests = {
        parse().digest,
        parse('exclusive = true\nstop_within = "21s"').digest,
        parse(watchdog="").digest,
    }
    assert len(digests) == 3
