"""Writes docs/comparison.md from the results. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ha_monitor.lab.cast import NODES
from ha_monitor.lab.compare.cells import (
    DEAD_S,
    OURS,
    PROGRAMS,
    ROWS,
    TIMING_ORDER,
    TITLES,
    Cell,
    cells,
    inapplicable,
    no_timing,
)
from ha_monitor.lab.compare.figures import (
    EQUAL_WITHIN,
    NOISE_MS,
    Behind,
    ByCell,
    Figures,
    behind,
    figures,
    ours_beside,
    ratio,
)
from ha_monitor.lab.compare.plan import Wanted, remaining_s
from ha_monitor.lab.compare.prose import AFTERWORD, BUSY, FOREWORD, HEADINGS, WHY_BEHIND
from ha_monitor.lab.compare.results import Result
from ha_monitor.lab.peers.peer import PEERS
from ha_monitor.lab.peers.program import LAN

_START_S = 15.0  # of a lab and a program: 4 s to 27 s were seen
_BUSY_BELOW_PERCENT = 30
_SEEN_MS = 1.0  # a millisecond of double ownership is shown as such, less is none


def page(results: Iterable[Result], versions: Mapping[str, str], commits: Sequence[str]) -> str:
    """The whole document."""
    by_cell: dict[Cell, list[Result]] = {}
    for result in results:
        by_cell.setdefault(result.cell, []).append(result)
    parts = [FOREWORD.format(minutes=_round_minutes(by_cell)), _versions(versions), _runs(by_cell, commits)]
    parts += ["## In short\n", *_short(by_cell)]
    for timing in TIMING_ORDER:
        parts += [f"## {HEADINGS[timing]}\n", *_timing(by_cell, timing)]
    parts += ["## Where ours is behind\n", *_behind(by_cell), *_left_out(), AFTERWORD, *_files()]
    return "\n".join(parts).rstrip() + "\n"


def _round_minutes(by_cell: ByCell) -> str:
    """How long one run of everything takes, starts included."""
    took = {cell: [run.took_s for run in runs if not run.error] for cell, runs in by_cell.items()}
    starts = len({(cell.program, cell.timing) for cell in cells()})
    return f"{(remaining_s(Wanted(1, 1), cells(), {}, took) + starts * _START_S) / 60:.0f}"


def _versions(versions: Mapping[str, str]) -> str:
    told = [f"| {TITLES[name]} | {versions[name]} | {_dead(name)} |" for name in PROGRAMS]
    head = "| program | version | longest silence that it bears, in seconds |\n|---|---|---|\n"
    return head + "\n".join(told) + "\n"


def _dead(program: str) -> str:
    known = DEAD_S[program]
    return ", ".join(f"{known[timing]:.2f} (`{timing}`)" for timing in TIMING_ORDER if timing in known)


def _runs(by_cell: ByCell, commits: Sequence[str]) -> str:
    played = [result for runs in by_cell.values() for result in runs if not result.error]
    if not played:
        return "No run has been played yet.\n"
    days = sorted({result.at[:10] for result in played})
    idle = statistics.median(result.idle_percent for result in played)
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"{len(played)} runs, played {when} with ha-monitor at commit {', '.join(commits)}; the machine was\n"
        f"{idle:.0f} % idle in the median run. The number of runs stands in each cell, in brackets.\n"
        f"{BUSY if idle < _BUSY_BELOW_PERCENT else ''}"
    )


def _short(by_cell: ByCell) -> Iterator[str]:
    yield (
        "| program | runs | of them with two Owners | longest double ownership, ms | longest outage after"
        " healing, ms |\n|---|---|---|---|---|"
    )
    for program in PROGRAMS:
        runs = [r for cell, its in by_cell.items() if cell.program == program for r in its if not r.error]
        doubles = [max(run.double_ms_observer, run.double_ms_kernel) for run in runs]
        after = max((run.after_heal_outage_ms for run in runs), default=0.0)
        told = len(runs), sum(ms >= NOISE_MS for ms in doubles), _ms(max(doubles, default=0.0)), _ms(after)
        yield f"| {TITLES[program]} | {' | '.join(str(one) for one in told)} |"
    yield ""
    for timing in TIMING_ORDER[:2]:
        yield _standing(by_cell, timing)


def _standing(by_cell: ByCell, timing: str) -> str:
    """In how many cells of a timing ours is ahead, and what is with the others."""
    ours = {row: figures(by_cell.get(Cell(OURS, timing, row), ())) for row in ROWS}
    others = [cell for cell in by_cell if cell.timing == timing and cell.program != OURS and ours[cell.row]]
    compared = sum(figures(by_cell[cell]) is not None for cell in others)
    lost = behind(by_cell, timing)
    double = sum(one.had_two_owners for one in lost)
    return (
        f"At `{timing}`, ours has the shorter or an equal outage (within a tenth) in"
        f" {compared - len(lost)} of {compared} cells;"
        f" in {double} of the {len(lost)} others that program had two Owners meanwhile.\n"
    )


def _timing(by_cell: ByCell, timing: str) -> Iterator[str]:
    """Four tables: outage, ratio, double ownership, after healing."""
    yield "### Outage, ms\n"
    yield _table(by_cell, timing, _outage)
    yield "### Outage of ha-monitor divided by that of the other; * it had two Owners\n"
    yield _table(by_cell, timing, None)
    yield "### Double ownership, ms: longest run, the client's view / the kernels' view\n"
    yield _table(by_cell, timing, _double)
    yield "### Longest outage after healing, ms; moves of the address in all\n"
    yield _table(by_cell, timing, _after)


def _table(by_cell: ByCell, timing: str, show: Callable[[Figures], str] | None) -> str:
    """One table over all faults; ``show`` None: ratios of ours to each of the others."""
    programs = PROGRAMS if show else PROGRAMS[1:]
    lines = [f"| fault | {' | '.join(TITLES[p] for p in programs)} |", "|---" * (len(programs) + 1) + "|"]
    for row in ROWS:
        ours = figures(by_cell.get(Cell(OURS, ours_beside(timing), row), ()))
        shown = [_shown(by_cell, program, timing, row, show, ours) for program in programs]
        lines.append(f"| {ROWS[row].title} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _shown(
    by_cell: ByCell, program: str, timing: str, row: str,
    show: Callable[[Figures], str] | None, ours: Figures | None,
) -> str:  # fmt: skip
    its_timing = ours_beside(timing) if program == OURS else timing
    if no_timing(program, its_timing) or inapplicable(program, row):
        return "n/a"
    results = by_cell.get(Cell(program, its_timing, row), ())
    found = figures(results)
    if found is None:
        return f"failed ({len(results)})" if results else "-"
    if show is not None:
        return show(found)
    return f"{ratio(ours, found):.2f}{' *' if found.double_ms >= NOISE_MS else ''}" if ours else "-"


def _outage(found: Figures) -> str:
    marks = [f"{found.runs}"]
    marks += [f"{found.not_back} not back"] if found.not_back else []
    marks += [f"{found.failed} failed"] if found.failed else []
    marks += [f"{found.not_at_rest} not at rest"] if found.not_at_rest else []
    return f"{found.outage} ({', '.join(marks)})"


def _double(found: Figures) -> str:
    return f"{_ms(found.double_observer.longest)} / {_ms(found.double_kernel.longest)}"


def _after(found: Figures) -> str:
    longest = found.after_heal.longest
    return f"{'< 20' if longest < NOISE_MS else f'{longest:.0f}'}; {found.moves:g}"


def _ms(length: float) -> str:
    return f"{length:.0f}" if length >= _SEEN_MS else "0"


def _behind(by_cell: ByCell) -> Iterator[str]:
    yield (
        f"Every cell in which the median outage of another program is shorter than ours by more than"
        f" {EQUAL_WITHIN - 1:.0%} and above the noise of {NOISE_MS:.0f} ms. At its default the other program"
        " stands beside our `lan`.\n"
    )
    found = [one for timing in TIMING_ORDER for one in behind(by_cell, timing)]
    for with_two in (False, True):
        yield f"**While the other program had {'two Owners' if with_two else 'one Owner, or none'}**\n"
        yield from _behind_lines([one for one in found if one.had_two_owners is with_two])
    rows = {one.row for one in found}
    for its_rows, why in WHY_BEHIND:
        if rows & set(its_rows):
            yield f"{why}\n"
    explained = {row for its_rows, _why in WHY_BEHIND for row in its_rows}
    if unexplained := sorted(rows - explained):
        yield f"Not explained yet: {', '.join(ROWS[row].title for row in unexplained)}.\n"


def _behind_lines(found: Sequence[Behind]) -> Iterator[str]:
    """One line for each fault and timing, with all programs that are ahead; milliseconds."""
    for row, timing in dict.fromkeys((one.row, one.timing) for one in found):
        its = [one for one in found if (one.row, one.timing) == (row, timing)]
        ours = f"ours {its[0].ours_ms:.0f} ms"
        yield f"- {ROWS[row].title}, `{timing}`: {ours}; {'; '.join(str(one) for one in its)}"
    yield "" if found else "None.\n"


def _left_out() -> Iterator[str]:
    yield "## What is not applicable\n"
    for program in PROGRAMS:
        for row in ROWS:
            if why := inapplicable(program, row):
                yield f"- {TITLES[program]}, {ROWS[row].title}: {why}."
        for timing in TIMING_ORDER:
            if program != OURS and (why := no_timing(program, timing)):
                yield f"- {TITLES[program]} at `{timing}`: {why}."
    yield (
        "- `monitoring-down` and `witness-down` strike what the others do not have; ours is in"
        " [measurements.md](measurements.md).\n"
    )


def _files() -> Iterator[str]:
    yield "## Configuration of the others\n"
    yield f"The files of {NODES[0]} at `{LAN}`, as the run writes them, and what other timings change.\n"
    for name, program in PEERS.items():
        yield f"### {TITLES[name]}\n"
        for path, file in program.files(NODES[0], LAN).items():
            yield f"`{path}`\n\n```\n{file.text.rstrip()}\n```\n"
        for daemon, argv in program.daemons(NODES[0], LAN).items():
            if argv[0] != "/bin/sh":
                yield f"Started as ({daemon}): `{' '.join(argv)}`\n"
        for timing in TIMING_ORDER[1:]:
            if timing in program.dead_s:
                yield f"At `{timing}`: {_changed(name, timing)}\n"


def _changed(name: str, timing: str) -> str:
    """What differs from the files and command lines at ``lan``."""
    here, there = (_lines(name, which) for which in (timing, LAN))
    new, gone = [line for line in here if line not in there], [line for line in there if line not in here]
    said = [f"`{line}`" for line in new] + [f"without `{line}`" for line in gone if not _replaced(line, new)]
    return ", ".join(dict.fromkeys(said)) or "the same"


def _replaced(line: str, new: Sequence[str]) -> bool:
    return any(other.split(maxsplit=1)[0] == line.split(maxsplit=1)[0] for other in new)


def _lines(name: str, timing: str) -> list[str]:
    program = PEERS[name]
    texts = [file.text for file in program.files(NODES[0], timing).values()]
    texts += [" ".join(argv) for argv in program.daemons(NODES[0], timing).values() if argv[0] != "/bin/sh"]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]
