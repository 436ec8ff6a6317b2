"""report.html: the demonstration on one page that can be mailed with its pictures beside it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from ha_monitor.lab.demo.record import Report, StepRecord

HEADINGS = (
    "step",
    "Owner",
    "outage ms",
    "two Owners ms (client, kernels)",
    "after healing ms",
    "requests lost",
    "seen in Nagios after s",
    "seen in Zabbix after s",
)
STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 72em; color: #1a1a1a; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #ccc; padding: .35em .6em; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.green { color: #0a6b2d; } .red { color: #b00020; font-weight: bold; }
figure { margin: 1.5em 0; } img { max-width: 100%; border: 1px solid #ccc; }
details { margin: .4em 0; } code { font-size: 13px; }
"""


def cells(step: StepRecord) -> tuple[str, ...]:
    """One row of the table, for the terminal and for the page."""
    owner = step.owner_before
    if step.owner_after != step.owner_before:
        owner = f"{step.owner_before or 'nobody'} to {step.owner_after or 'nobody'}"
    return (
        step.title,
        owner,
        _number(max(step.outage_ms, default=None)),
        ", ".join(
            _number(max(seen, default=None)) for seen in (step.double_ms_observer, step.double_ms_kernel)
        ),
        _number(max(step.after_heal_outage_ms, default=None)),
        f"{step.requests.lost} of {step.requests.sent}",
        _number(step.visible_after_s.get("nagios"), 1),
        _number(step.visible_after_s.get("zabbix"), 1),
    )


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def page(report: Report) -> str:
    """The whole page."""
    problems = report.problems()
    verdict = (
        f'<p class="red">{len(problems)} problem(s)</p>{_list(problems)}'
        if problems
        else '<p class="green">The promise was kept in every step.</p>'
    )
    memory = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in report.memory_mib.items())
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>ha-monitor: demonstration</title>
<style>{STYLE}</style></head><body>
<h1>ha-monitor: demonstration</h1>
<p>Played {html.escape(report.started)} with a real web server of 80 virtual hosts on two Nodes, a real
Nagios and a real Zabbix. Outage and two Owners are what an outside client and the Nodes' kernels showed;
requests are counted by the client; states were read back from Nagios's statusjson and the Zabbix API.</p>
{verdict}
<table><tr>{"".join(f"<th>{html.escape(h)}</th>" for h in HEADINGS)}</tr>
{"".join(_row(step) for step in report.steps)}</table>
<p>{report.transitions_made} changes of Owner were seen from outside, Zabbix's history holds
{report.transitions_in_zabbix} transitions. Memory of all processes of a Node (PSS):
{html.escape(memory)}.</p>
<h2>What both systems showed</h2>
{"".join(_shown(step) for step in report.steps)}
<h2>Pictures</h2>
{"".join(_figure(name) for name in report.pictures)}
</body></html>
"""


def _row(step: StepRecord) -> str:
    first, *numbers = cells(step)
    colour = "red" if step.problems() else "green"
    row = "".join(f'<td class="n">{html.escape(cell)}</td>' for cell in numbers)
    return f'<tr><td class="{colour}">{html.escape(first)}</td>{row}</tr>\n'


def _shown(step: StepRecord) -> str:
    return (
        f"<details><summary>{html.escape(step.title)}</summary>"
        f"<h4>Nagios</h4>{_pairs(step.nagios)}<h4>Zabbix</h4>{_pairs(step.zabbix)}</details>\n"
    )


def _pairs(shown: Mapping[str, str]) -> str:
    return _list(f"{key}: {value}" for key, value in shown.items())


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li><code>{html.escape(line)}</code></li>" for line in lines) + "</ul>"


def _figure(name: str) -> str:
    safe = html.escape(name)
    return f'<figure><img src="{safe}" alt="{safe}"><figcaption>{safe}</figcaption></figure>\n'
