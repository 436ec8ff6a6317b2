"""``ha-monitor lab``: hosts on this machine, faults and outside observers.

What the lab needs is imported when one of its verbs runs: no other verb pays for it.
"""

from __future__ import annotations

import argparse
import sys

_VERBS = """\
verbs:
  up                      bring the hosts pub2, pub3, mon, client and arp up
  down                    remove everything of the lab, also after a crash
  status                  what stands
  exec HOST -- CMD        run a command on a host
  fault NAME ...          let a fault happen
  heal                    undo every fault
  observe                 tell who answers, outages and double ownership
  measure --fault NAME    play a fault several times and measure
  chaos --seed N          random faults for a time, judged from outside
  load                    put it under load, count needless takeovers
  exclusive --runs N      takeovers of a file system on a shared disk under random faults

ha-monitor lab VERB --help tells more. HA_MONITOR_LAB names the lab, so that several can stand.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``lab``; its verbs are parsed when it runs."""
    parser = subparsers.add_parser(
        "lab",
        help="hosts on this machine: rehearse faults, measure outages",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_VERBS,
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="VERB ...")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ha_monitor.cli.lab_verbs import run

    return run(args.rest)


def main() -> int:
    """``python -m ha_monitor.cli.lab VERB``."""
    from ha_monitor.errors import HaMonitorError

    try:
        return _run(argparse.Namespace(rest=sys.argv[1:]))
    except HaMonitorError as error:
        print(f"ha-monitor: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
