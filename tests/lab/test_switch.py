"""The filters' script, as text."""

from ha_monitor.lab.switch import Drop, filter_text


def test_filters_are_replaced_in_one_transaction():
    assert filter_text([]) == ("table netdev ha_lab\ndelete table netdev ha_lab\ntable netdev ha_lab {\n}\n")


def test_each_port_and_direction_gets_one_chain_with_all_its_rules():
    text = filter_text(
        [
            Drop("pub3-lan", "out", "02:68:61:00:01:0c"),
            Drop("pub3-lan", "out", "02:68:61:00:01:09"),
            Drop("pub2-lan", "in", percent=20),
        ]
    )
    assert text.count("chain") == 2
    assert 'hook egress device "pub3-lan"' in text
    assert "ether saddr 02:68:61:00:01:0c counter drop" in text
    assert "ether saddr 02:68:61:00:01:09 counter drop" in text
    assert 'hook ingress device "pub2-lan"' in text
    assert "    numgen random mod 100 < 20 counter drop" in text
