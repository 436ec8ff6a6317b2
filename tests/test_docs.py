"""What the documentation must name: every setting, every verb, every cause; and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ha_monitor.cli.main import VERBS
from ha_monitor.config import parse_config
from ha_monitor.errors import ConfigErrors
from ha_monitor.model import TIMINGS, Cause
from ha_monitor.publish.facts import CATALOGUE, EVENT_SERVICE

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
FILLED_BY_MEASURING = {"docs/measurements.md"}
EVERYWHERE_UNKNOWN = """
zzz = 1
[cluster]
zzz = 1
[nodes]
a = { lan = "192.0.2.1" }
b = { lan = "192.0.2.2" }
[witness]
c = "192.0.2.3"
[watchdog]
zzz = 1
[groups.g]
zzz = 1
resources = [
  { vip = "192.0.2.4/24", zzz = 1 },
  { systemd = "s", zzz = 1 },
  { command = "c", start = "/x", stop = "/x", status = "/x", zzz = 1 },
]
[fencing]
zzz = 1
[fencing.devices.d]
zzz = 1
[publish]
zzz = 1
[publish.nagios]
zzz = 1
[publish.zabbix]
zzz = 1
"""


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def spans(text):
    """What stands in code quotes within a line; blocks of code left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL))


def not_named(words, text):
    """Those that stand in no code quotes, alone or as a word among others."""
    named = {word for span in spans(text) for word in re.split(r"[^\w-]+", span)}
    return sorted(set(words) - named)


def known_settings():
    """As the reader itself lists them where it finds an unknown one."""
    with pytest.raises(ConfigErrors) as caught:
        parse_config(EVERYWHERE_UNKNOWN.encode())
    lists = re.findall(r"'zzz' is not a setting of ha-monitor; known here: (.*)", str(caught.value))
    assert len(lists) == 12
    return {name for one in lists for name in one.split(", ")}


def test_every_setting_is_described():
    text = page("docs/configuration.md")
    assert not_named(known_settings() | set(TIMINGS), text) == []


def test_every_cause_says_what_to_do():
    assert not_named([cause.value for cause in Cause], page("docs/operations.md")) == []


def test_every_verb_is_told_somewhere():
    text = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert [verb for verb in VERBS if f"ha-monitor {verb}" not in text] == []


def test_services_named_in_the_readme_are_those_of_the_catalogue():
    names = {fact.service.name for fact in CATALOGUE} | {EVENT_SERVICE}
    families = {name.split("{")[0].strip() for name in names}
    told = {span for span in spans(page("README.md")) if span.startswith("HA ")}
    assert len(told) > 10
    assert {
        name for name in told if not any(f"{name} ".startswith(f"{family} ") for family in families)
    } == set()


def broken_links(path):
    targets = re.findall(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", path.read_text(encoding="utf-8"))
    found = []
    for target, anchor in targets:
        if re.match(r"[a-z]+:", target):
            continue
        place = (path.parent / target).resolve()
        if not place.exists():
            found.append(str(place.relative_to(ROOT)))
        elif anchor and anchor not in anchors(place):
            found.append(f"{place.relative_to(ROOT)}{anchor}")
    return found


def anchors(path):
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_somewhere():
    broken = {link for path in PAGES for link in broken_links(path)}
    assert broken <= FILLED_BY_MEASURING


def test_a_broken_link_and_a_missing_word_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "b.md").write_text("# Here\n")
    (tmp_path / "a.md").write_text("[x](c.md) [y](b.md#there) [z](b.md#here) [w](https://example.org)")
    assert broken_links(tmp_path / "a.md") == ["c.md", "b.md#there"]
    assert not_named(["port", "lease"], "`port` lease `release`") == ["lease"]
