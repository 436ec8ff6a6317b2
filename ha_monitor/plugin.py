"""What the plugins check_ha_* share: arguments, ranges, one look at the view, exit code 3 for all that fails.

A plugin that cannot tell is UNKNOWN, never OK: no daemon, an old state file, a number that is none, a wrong
argument, a missing library.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

import nagiosplugin

import ha_monitor
from ha_monitor.client import fetch_view
from ha_monitor.errors import ControlError
from ha_monitor.view import View

TIMEOUT_S = 10
UNKNOWN = 3
Fetch = Callable[[], View]
Ask = Callable[[View], Iterator[nagiosplugin.Metric]]
Check = Callable[[argparse.Namespace, Fetch], nagiosplugin.Check]


class Parser(argparse.ArgumentParser):
    """Like argparse's, with the plugin's exit code for wrong use: argparse's 2 would mean CRITICAL."""

    def error(self, message: str) -> NoReturn:
        """One line for Nagios."""
        sys.stdout.write(f"UNKNOWN: {message}; see --help\n")
        sys.exit(UNKNOWN)


def plugin_range(text: str) -> nagiosplugin.Range:
    """``[@]start:end`` of the plugin guidelines. Raises ArgumentTypeError."""
    try:
        return nagiosplugin.Range(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no range such as 10, 2:, ~:5, @1:3: {error}"
        ) from error


def make_parser(name: str, description: str, ranges: str) -> Parser:
    """A parser with what every plugin takes. ``ranges``: what -w and -c are about."""
    parser = Parser(prog=name, description=description)
    parser.add_argument("-w", "--warning", type=plugin_range, metavar="RANGE", help=f"warning: {ranges}")
    parser.add_argument("-c", "--critical", type=plugin_range, metavar="RANGE", help=f"critical: {ranges}")
    parser.add_argument(
        "-t", "--timeout", type=_seconds, default=TIMEOUT_S, help="seconds (default: %(default)s)"
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="more text, up to -vvv")
    parser.add_argument("-V", "--version", action="version", version=f"{name} {ha_monitor.__version__}")
    return parser


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 to 3600")
    return int(text)


def run(parser: Parser, make_check: Check) -> NoReturn:
    """Parse, check, print one line, exit. Never a traceback, never another code than 0 to 3."""
    args = parser.parse_args()

    def fetch() -> View:
        try:
            return fetch_view(timeout_s=min(3.0, args.timeout / 2))
        except ControlError as error:
            raise nagiosplugin.CheckError(_line(str(error))) from error

    @nagiosplugin.guarded(verbose=0)  # type: ignore[untyped-decorator]
    def main() -> None:
        make_check(args, fetch).main(verbose=args.verbose, timeout=args.timeout)

    try:
        main()
    except KeyboardInterrupt:
        sys.stdout.write("UNKNOWN: interrupted\n")
    sys.exit(UNKNOWN)


def _line(text: str) -> str:
    """One line without the sign that begins performance data."""
    return " ".join(text.split()).replace("|", "/")


def metric(
    name: str, value: float, unit: str = "", context: str | None = None, **bounds: float
) -> nagiosplugin.Metric:
    """A number for perfdata. Raises CheckError for NaN and infinity, which no range would find bad."""
    if isinstance(value, bool):
        value = int(value)
    if not math.isfinite(value):
        raise nagiosplugin.CheckError(f"{name} is {value}, which is no measure")
    return nagiosplugin.Metric(label(name), value, uom=unit, context=context or name, **bounds)


def label(name: str) -> str:
    """A performance label: nagiosplugin refuses quotes and equals signs."""
    return "".join("_" if c in "'= |" else c for c in name)


class Words(nagiosplugin.Context):
    """Judges a word by a table; a word that is not in it is UNKNOWN."""

    def __init__(self, name: str, table: Mapping[str, int], sentence: str) -> None:
        """``table``: word to exit code; ``sentence``: with ``{value}``, for what is not OK."""
        super().__init__(name)
        self._table = table
        self._sentence = sentence

    def evaluate(self, metric: nagiosplugin.Metric, _resource: nagiosplugin.Resource) -> nagiosplugin.Result:
        """The word's result."""
        states = (nagiosplugin.Ok, nagiosplugin.Warn, nagiosplugin.Critical, nagiosplugin.Unknown)
        state = states[self._table.get(metric.value, UNKNOWN)]
        hint = None if state is nagiosplugin.Ok else self._sentence.format(value=metric.value or "nothing")
        return self.result_cls(state, hint, metric)

    def performance(self, _metric: nagiosplugin.Metric, _resource: nagiosplugin.Resource) -> None:
        """Words are no performance data."""


class Sentence(nagiosplugin.Summary):
    """Says what its Resource prepared while it looked; problems are named by nagiosplugin itself."""

    def __init__(self, say: Callable[[], str]) -> None:
        self._say = say

    def ok(self, _results: nagiosplugin.Results) -> str:
        """When all is well."""
        return _line(self._say())

    def verbose(self, results: nagiosplugin.Results) -> list[str]:
        """With -v: every result that is not OK, and what an operator would see when all is well."""
        return [*super().verbose(results), _line(self._say())]
