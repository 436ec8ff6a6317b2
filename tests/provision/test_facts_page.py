"""The reference page: whole, and what is checked in."""

from pathlib import Path

from ha_monitor.cli.main import main
from ha_monitor.provision.facts_page import facts_page
from ha_monitor.publish.facts import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_checked_in_is_what_the_catalogue_gives(capsys):
    code = main(["export", "facts", "--dir", str(ROOT / "docs"), "--check"])
    assert (code, capsys.readouterr().err) == (0, "")


def test_every_fact_and_every_alarm_stands_there():
    page = facts_page()
    for fact in CATALOGUE:
        assert f"`{fact.full_key(fact.scope.macros)}`" in page
        for alarm in fact.alarms:
            assert f": {alarm.what}. Nagios:" in page
