"""Many seeds of the simulated world, or one again: ``ha-monitor simulate --seeds 1000``, ``--seed 7``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from ha_monitor.errors import UsageError
from ha_monitor.sim.processes import in_processes
from ha_monitor.sim.shrink import shrink
from ha_monitor.sim.swarm import PLAYED, Outcome, Window, play_world
from ha_monitor.sim.worlds import SOUND, WORLDS, Job, make, plants, world_of
from ha_monitor.timebase import MS

SEEDS = 100
SEEDS_AT_ONCE = 4  # that a process takes
PLANT_SEEDS = 200  # a planted bug is looked for in so many, until it is found
TOLD_MAX = 3  # violations that are told in full

Tell = Callable[[str], None]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which seeds, in which world, with which planted bug."""
    parser.add_argument("--seeds", type=int, metavar="N", help=f"how many seeds to play (default {SEEDS})")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="K", help="the first of them")
    parser.add_argument("--seed", type=int, metavar="K", help="this one only, with its trace")
    parser.add_argument("--faults", type=_numbers, metavar="N,N", help="of that seed only these faults")
    parser.add_argument("--world", choices=WORLDS, help="play every seed there (default: half in each)")
    parser.add_argument("--plant", default=SOUND, metavar="NAME", help="plant a bug that must be found")
    parser.add_argument("--plants", action="store_true", help="list the bugs that can be planted")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="seeds, events and violations as one JSON object; the rest goes to standard error",
    )


def _numbers(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(map(int, text.split(",")))


def is_wanted(_args: argparse.Namespace) -> bool:
    """Whenever nothing else is."""
    return True


def run(args: argparse.Namespace) -> int:
    """Play; 0 when all held, 1 when something broke."""
    if args.plants:
        for note in plants(args.world or ""):
            print(f"{note.name:32} {note.world:8} {note.what}")
        return 0
    jobs = _jobs(args)
    tell = _explain if args.json else _print
    if args.seed is not None:
        outcomes = [_play_traced(jobs[0], tell)]
    else:
        processes = min(args.jobs or len(os.sched_getaffinity(0)), len(jobs))
        is_hunt = args.plant != SOUND and args.seeds is None
        outcomes = _play_told(jobs, processes, is_hunt, tell)
    return _tell(outcomes, args.json)


def _jobs(args: argparse.Namespace) -> list[Job]:
    known = [note.name for note in plants(args.world or "")]
    if args.plant not in (SOUND, *known):
        raise UsageError(f"--plant: {args.plant!r} is not one of {', '.join(sorted(set(known)))}")
    count = (SEEDS if args.plant == SOUND else PLANT_SEEDS) if args.seeds is None else args.seeds
    if args.seed is None and count < 1:
        raise UsageError(f"--seeds: {count} where a number from 1 upwards should stand")
    seeds = range(args.first, args.first + count) if args.seed is None else (args.seed,)
    return [Job(args.world or world_of(seed, args.plant), seed, args.plant, args.faults) for seed in seeds]


def play(job: Job) -> Outcome:
    """One job in this process."""
    return play_world(make(job))


def _play_traced(job: Job, tell: Tell) -> Outcome:
    world = make(job)
    world.trace = tell
    outcome = play_world(world)
    if outcome.broken:
        _tell_broken(job, outcome, tell)
    return outcome


def _play_told(jobs: list[Job], processes: int, is_hunt: bool, tell: Tell) -> list[Outcome]:
    """Every outcome, a hunt's up to the first find; the first violations are told as they come."""
    outcomes: list[Outcome] = []
    told = 0
    for job, outcome in zip(jobs, in_processes(play, jobs, processes, SEEDS_AT_ONCE), strict=True):
        outcomes.append(outcome)
        if outcome.broken and told < TOLD_MAX:
            told += 1
            _tell_broken(job, outcome, tell)
        if outcome.broken and is_hunt:
            break
    return outcomes


def _tell_broken(job: Job, outcome: Outcome, tell: Tell) -> None:
    """What broke, the command that replays it, and the few faults that it takes."""
    tell(outcome.broken)
    tell(f"  replay: {job.command()}")
    if job.only is not None:
        return
    shrunk = shrink(lambda only: make(job._replace(only=None if only is None else tuple(only))))
    count = f"{len(shrunk.only)} of {shrunk.of} faults" if shrunk.only else f"none of {shrunk.of} faults"
    tell(f"  what it takes ({count}, after {shrunk.plays} plays):")
    for line in shrunk.lines:
        tell(f"  {line}")
    tell(f"  {shrunk.broken}")
    tell(f"  replay of that alone: {job._replace(only=shrunk.only).command()}")


def _tell(outcomes: list[Outcome], is_json: bool) -> int:
    violations = sum(1 for outcome in outcomes if outcome.broken)
    counts = {
        "seeds": len(outcomes),
        "events": sum(outcome.events for outcome in outcomes),
        "violations": violations,
    }
    if is_json:
        _print(json.dumps(counts))
    else:
        _print(", ".join(f"{number} {name}" for name, number in counts.items()))
        played = {name: sum(outcome.counts.get(name, 0) for outcome in outcomes) for name in PLAYED}
        _print(f"played: {', '.join(f'{number} {name}' for name, number in played.items())}")
        _tell_windows([window for outcome in outcomes for window in outcome.windows])
    return 1 if violations else 0


def _tell_windows(windows: Sequence[Window]) -> None:
    """For how long machines that woke up answered beside another one."""
    for is_clear, where in ((True, "where packets passed"), (False, "where something was in the way")):
        found = [window for window in windows if window.is_clear is is_clear]
        if found:
            longest_ns = max(window.length_ns for window in found)
            part = max(window.length_ns / window.interval_ns for window in found)
            _print(
                f"woken beside another Owner, {where}: {len(found)} times, "
                f"at most {longest_ns / MS:.0f} ms, at most {part:.2f} heartbeats"
            )


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _explain(line: str) -> None:
    sys.stderr.write(line + "\n")
