"""``ha-monitor lab``: hosts on this machine, faults and outside observers."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ha_monitor.lab.lab import Lab


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``lab`` and its verbs."""
    parser = subparsers.add_parser("lab", help="hosts on this machine: rehearse faults, measure outages")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_verbs(verbs)


def _add_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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


def _lab() -> Lab:
    # Imported late: the lab's modules cost start-up time that no other verb should pay.
    from ha_monitor.lab.lab import Lab

    return Lab()


def _up(_args: argparse.Namespace) -> int:
    lab = _lab()
    lab.up()
    print(f"lab {lab.name} is up: {', '.join(host.name for host in lab.hosts)}")
    return 0


def _down(_args: argparse.Namespace) -> int:
    lab = _lab()
    lab.down()
    print(f"lab {lab.name} is down, nothing is left of it")
    return 0


def _status(args: argparse.Namespace) -> int:
    status = _lab().status()
    if args.json:
        print(json.dumps(status))
    else:
        _print_status(status)
    return 0 if status["up"] else 1


def _print_status(status: dict[str, object]) -> None:
    print(f"lab {status['lab']}: {'up' if status['up'] else 'not up'}")
    hosts = status["hosts"]
    assert isinstance(hosts, dict)
    for name, host in hosts.items():
        power = "on" if host["power"] else "off"
        print(f"  {name:<8}{host['lan']:<14}power {power:<5}{host['processes']} processes")


def _exec(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        print("nothing to run: ha-monitor lab exec HOST -- CMD", file=sys.stderr)
        return 2
    return int(_lab().host(args.host).popen(command, start_new_session=False).wait())


def main() -> int:
    """``python -m ha_monitor.cli.lab VERB``."""
    from ha_monitor.errors import HaMonitorError

    parser = argparse.ArgumentParser(prog="ha-monitor lab")
    _add_verbs(parser.add_subparsers(dest="verb", required=True, metavar="VERB"))
    args = parser.parse_args()
    try:
        return int(args.run(args))
    except HaMonitorError as error:
        print(f"ha-monitor: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
