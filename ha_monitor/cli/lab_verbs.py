"""The verbs of ``ha-monitor lab``."""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

from ha_monitor.cli import lab_chaos, lab_exclusive, lab_load
from ha_monitor.lab import faults
from ha_monitor.lab.cast import SERVICE_V4, SERVICE_V6, WITNESS
from ha_monitor.lab.exclusive.cluster import remove_exclusive
from ha_monitor.lab.faults import FAULTS, Blow
from ha_monitor.lab.lab import Lab
from ha_monitor.lab.measure import Measurement, measure, ready_lab
from ha_monitor.lab.observation import Observation, who_answers
from ha_monitor.lab.observers.analysis import Gap
from ha_monitor.lab.problems import LabError
from ha_monitor.lab.roles import ALL, ROLES
from ha_monitor.model import TIMINGS

_RAW = argparse.RawDescriptionHelpFormatter
# Shorter gaps are the noise of a busy machine, not an outage.
_WORTH_TELLING_NS = 50_000_000


def run(arguments: Sequence[str]) -> int:
    """Parse and carry out ``ha-monitor lab ARGUMENTS``; the exit code."""
    parser = argparse.ArgumentParser(prog="ha-monitor lab")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_plain_verbs(verbs)
    _add_fault_verbs(verbs)
    lab_load.add_parser(verbs)
    args = parser.parse_args(list(arguments))
    # Ended from outside, the lab is still taken down: as after Ctrl-C.
    signal.signal(signal.SIGTERM, _end)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        return 130


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


Verbs = Any  # argparse._SubParsersAction is not a public name


def _add_plain_verbs(verbs: Verbs) -> None:
    up = verbs.add_parser("up", help="bring the hosts up")
    up.set_defaults(run=_up)
    down = verbs.add_parser("down", help="remove everything of the lab, also after a crash")
    down.set_defaults(run=_down)
    status = verbs.add_parser("status", help="what stands")
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(run=_status)
    execute = verbs.add_parser("exec", help="run a command on a host", usage="%(prog)s HOST -- CMD ...")
    execute.add_argument("host")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    execute.set_defaults(run=_exec)


def _add_fault_verbs(verbs: Verbs) -> None:
    names = "faults:\n" + "".join(f"  {fault.name:<18}{fault.what}\n" for fault in FAULTS.values())
    fault = verbs.add_parser("fault", help="let a fault happen", formatter_class=_RAW, epilog=names)
    fault.add_argument("fault", choices=list(FAULTS), metavar="NAME")
    fault.add_argument("argument", nargs="?", help="PROCESS of kill and freeze, LINK, or PERCENT of lose")
    _add_blow_options(fault)
    fault.add_argument("--for", dest="seconds", type=float, help="heal after this time (freeze: 10)")
    fault.set_defaults(run=_fault)
    heal = verbs.add_parser("heal", help="undo every fault: power, network and daemons")
    heal.set_defaults(run=_heal)
    observe = verbs.add_parser("observe", help="tell who answers, outages and double ownership")
    observe.add_argument("--address", choices=(SERVICE_V4, SERVICE_V6), default=SERVICE_V4)
    observe.add_argument("--for", dest="seconds", type=float, help="end after this time")
    observe.set_defaults(run=_observe)
    measured = verbs.add_parser(
        "measure", help="play a fault several times and measure", formatter_class=_RAW, epilog=names
    )
    measured.add_argument(
        "--fault", required=True, nargs="+", metavar=("NAME", "ARGUMENT"),
        help="and PROCESS of kill and freeze, LINK, or PERCENT of lose",
    )  # fmt: skip
    _add_blow_options(measured)
    measured.add_argument("--timing", choices=list(TIMINGS), default="lan", help="profile (%(default)s)")
    measured.add_argument("--runs", type=_count, default=1, metavar="N", help="how often (%(default)s)")
    measured.add_argument("--address", choices=(SERVICE_V4, SERVICE_V6), default=SERVICE_V4)
    measured.add_argument("--json", action="store_true", help="the last line is one JSON object")
    measured.set_defaults(run=_measure)
    lab_chaos.add_verb(verbs)
    lab_exclusive.add_verb(verbs)


def _add_blow_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="which host; default: the Owner that answers the observer")
    parser.add_argument("--process", choices=ROLES, help="of kill and freeze; default: all")
    parser.add_argument("--link", help="unplug and blackhole: lan; others: all Links")
    parser.add_argument("--percent", type=int, help="of lose; default: 20")
    parser.add_argument("--witness", choices=("near", "far"), help="of partition: far cuts it off as well")


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"{number} is not from 1 to 1000")
    return number


def _up(_args: argparse.Namespace) -> int:
    lab = Lab()
    lab.up()
    print(f"lab {lab.name} is up: {', '.join(host.name for host in lab.hosts)}")
    return 0


def _down(_args: argparse.Namespace) -> int:
    lab = Lab()
    remove_exclusive(lab)
    lab.down()
    print(f"lab {lab.name} is down, nothing is left of it")
    return 0


def _status(args: argparse.Namespace) -> int:
    status = Lab().status()
    if args.json:
        print(json.dumps(status))
        return 0 if status["up"] else 1
    print(f"lab {status['lab']}: {'up' if status['up'] else 'not up'}")
    hosts: Any = status["hosts"]
    for name, host in hosts.items():
        power = "on" if host["power"] else "off"
        print(f"  {name:<8}{host['lan']:<14}power {power:<5}{host['processes']} processes")
    for fields in status["faults"]:  # type: ignore[attr-defined]
        print(f"  fault: {_blow_text(Blow(**fields))}")
    return 0 if status["up"] else 1


def _exec(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        print("nothing to run: ha-monitor lab exec HOST -- CMD", file=sys.stderr)
        return 2
    process = _standing_lab().host(args.host).popen(command, start_new_session=False)
    while True:
        try:
            return int(process.wait())
        except KeyboardInterrupt:
            continue  # it reached the command as well, which decides what it means


def _fault(args: argparse.Namespace) -> int:
    lab = _standing_lab()
    blow = FAULTS[args.fault].blow(_struck_host(lab, args), **_chosen(args))
    seconds = args.seconds
    if seconds is None and args.fault == "freeze":
        seconds = random.uniform(*FAULTS[args.fault].hold_s)
    try:
        faults.strike(lab, blow)
        print(_blow_text(blow), flush=True)
        if seconds is not None:
            time.sleep(seconds)
    finally:
        if seconds is not None:
            faults.heal_one(lab, blow)
    print(f"healed after {seconds:g} s" if seconds is not None else "heal it with: ha-monitor lab heal")
    return 0


def _heal(_args: argparse.Namespace) -> int:
    for blow in faults.heal(_standing_lab()):
        print(f"healed: {_blow_text(blow)}")
    return 0


def _observe(args: argparse.Namespace) -> int:
    lab = _standing_lab()
    with Observation(lab, args.address) as seen:
        began_ns = time.monotonic_ns()
        end_s = time.monotonic() + args.seconds if args.seconds else float("inf")
        try:
            _tell_changes(seen, end_s)
        except KeyboardInterrupt:
            print()
        seen.read_on()
        ended_ns = min(seen.probe.complete_until_ns, seen.asker.complete_until_ns)
        _tell_summary(seen, began_ns, ended_ns)
    return 0


def _tell_changes(seen: Observation, end_s: float) -> None:
    told = 0
    last = None
    while time.monotonic() < end_s:
        time.sleep(0.2)
        seen.read_on()
        for answer in seen.probe.answers[told:]:
            if last is None or answer.host != last.host:
                print(f"{_clock(answer.last_ns)}  {answer.host} answers", flush=True)
            if last is not None and answer.last_ns - last.last_ns > _WORTH_TELLING_NS:
                gap = seen.outage(last.last_ns + 1, last.last_ns + 1, answer.last_ns)
                print(f"{_clock(answer.last_ns)}  after an outage of {_ms(gap.outage_ns)} ms", flush=True)
            last = answer
        told = len(seen.probe.answers)


def _tell_summary(seen: Observation, began_ns: int, ended_ns: int) -> None:
    longest: Gap = seen.outage(began_ns, ended_ns, ended_ns)
    print(f"observed for {(ended_ns - began_ns) / 1e9:.1f} s; longest outage {_ms(longest.outage_ns)} ms")
    print(f"double ownership: observer {_ms(seen.double_observer_ns(began_ns, ended_ns))} ms,", end=" ")
    print(f"kernels {_ms(seen.double_kernel_ns(began_ns, ended_ns))} ms")
    print(f"the probe itself stood still for {_ms(seen.stalled_ns(began_ns, ended_ns))} ms at most")


def _measure(args: argparse.Namespace) -> int:
    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    # `--fault kill core` and `--fault "kill core"` are the same.
    args.fault, *rest = " ".join(args.fault).split()
    faults.fault_named(args.fault)
    if len(rest) > 1:
        raise LabError(f"--fault {args.fault} {' '.join(rest)}: one argument at most follows the name")
    args.argument = rest[0] if rest else None
    chosen = _chosen(args)
    if args.host:
        chosen["host"] = args.host
    with ready_lab(Lab(), args.fault, args.timing, say) as lab:
        result = measure(lab, args.fault, args.runs, args.timing, address=args.address, say=say, **chosen)
    if args.json:
        print(json.dumps(result.as_json()), flush=True)
    else:
        _tell_result(result)
    return 0


def _tell_result(result: Measurement) -> None:
    print(f"{result.fault}, timing {result.timing}, {result.runs} runs: median (longest) in milliseconds")
    for name, values in result.as_json().items():
        if isinstance(values, list):
            print(f"  {name:<24}{statistics.median(values):>9.1f} ({max(values):.1f})")


def _standing_lab() -> Lab:
    lab = Lab()
    if not lab.is_up():
        raise LabError(f"lab {lab.name} is not up: ha-monitor lab up")
    return lab


def _struck_host(lab: Lab, args: argparse.Namespace) -> str:
    if args.host:
        return lab.host(args.host).name
    if args.fault in ("monitoring-down", "witness-down"):
        return WITNESS
    owner = who_answers(lab)
    if owner is None:
        raise LabError("nobody answers at the service address: name the host with --host")
    return owner


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    chosen = {key: getattr(args, key) for key in ("process", "link", "percent", "witness")}
    if args.argument is not None:
        key = {"kill": "process", "freeze": "process", "lose": "percent"}.get(args.fault, "link")
        chosen[key] = _percent(args.argument) if key == "percent" else args.argument
    return chosen


def _percent(text: str) -> int:
    number = text.removesuffix("%").strip()
    if not number.isdecimal() or not 0 < int(number) <= 100:
        raise LabError(f"lose: {text!r} is not a percentage from 1% to 100%")
    return int(number)


def _blow_text(blow: Blow) -> str:
    where = "" if blow.link == ALL else f" on {blow.link}"
    which = "" if blow.process == ALL else f" of {blow.process}"
    share = f" {blow.percent} %" if blow.percent < 100 else ""
    return f"{blow.fault}{which}{share}{where} at {blow.host}"


def _clock(at_ns: int) -> str:
    seconds = time.time() - (time.monotonic_ns() - at_ns) / 1e9
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{int(seconds % 1 * 1000):03d}"


def _ms(length_ns: int) -> str:
    return f"{length_ns / 1e6:.1f}"
