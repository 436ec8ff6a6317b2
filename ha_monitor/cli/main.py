"""``ha-monitor``: finds the verb, imports that verb's module and no other, turns errors into one line.

Exit codes: 0 done and verified; 1 done in part, or not verified in time; 2 refused or wrong use.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence

import ha_monitor
from ha_monitor.errors import HaMonitorError

# Verb: its module, and what `--help` says of it without importing that.
VERBS: Mapping[str, tuple[str, str]] = {
    "init": ("init", "write cluster.toml and cluster.key, after asking or from options"),
    "check": ("check", "read both files and this host, and tell every mistake"),
    "run": ("daemon", "run a Node's daemon in the foreground"),
    "witness": ("daemon", "run the Witness in the foreground"),
    "status": ("status", "show what this host's daemon knows"),
    "explain": ("explain", "say why a group is where it is, and what would happen next"),
    "switch": ("switch", "move a group to another Node"),
    "standby": ("standby", "let this Node own nothing"),
    "online": ("standby", "let this Node own groups again"),
    "maintenance": ("maintenance", "let nothing move while somebody works on the cluster"),
    "clear": ("clear", "answer a group that asks: its stop failed here, or it is held"),
    "fence": ("fence", "power another Node off now, by its fence devices"),
    "confirm-fenced": ("confirm_fenced", "say that another Node is off, where no device can"),
    "restart": ("restart", "start the daemon anew, with the changed files, and touch no service"),
    "stop": ("stop", "hand over and end this host's daemon"),
    "export": ("export", "write the definitions for Nagios, Zabbix, systemd"),
    "provision": ("provision", "create hosts and templates in Zabbix"),
    "lab": ("lab", "hosts in network namespaces: faults, observers, measurements"),
    "simulate": ("simulate", "play faults on the real core in a simulated world"),
    "demo": ("demo", "play the whole story on real software"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = make_parser(arguments).parse_args(arguments)
        code: int = args.run(args)
        sys.stdout.flush()
    except HaMonitorError as error:
        sys.stderr.write(f"ha-monitor: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nha-monitor: interrupted\n")
        return 130
    except BrokenPipeError:
        # Whoever read our output went away; Python would complain once more at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    return code


def make_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, complete for the verb that is asked for and with bare names for all others."""
    parser = argparse.ArgumentParser(
        prog="ha-monitor",
        description="A small failover daemon whose user interface is Nagios and Zabbix.",
    )
    parser.add_argument("--version", action="version", version=f"ha-monitor {ha_monitor.__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), "")
    module = VERBS[wanted][0] if wanted in VERBS else ""
    for verb, (where, help_text) in VERBS.items():
        if where != module:
            subparsers.add_parser(verb, help=help_text)
    if module:
        importlib.import_module(f"ha_monitor.cli.{module}").add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
