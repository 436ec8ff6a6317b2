"""Which sinks this host uses, by the configuration that all hosts share and by what this host has."""

from __future__ import annotations

from pathlib import Path

from ha_monitor.model import ClusterConfig, NagiosSink
from ha_monitor.sinks.base import Sink
from ha_monitor.sinks.command_file import CommandFileSink
from ha_monitor.sinks.nsca_ng import NscaNgSink
from ha_monitor.sinks.spool import SpoolSink
from ha_monitor.sinks.zabbix_trapper import ZabbixTrapperSink


def sinks_for(config: ClusterConfig, private_dir: Path) -> tuple[Sink, ...]:
    """One sink to each configured system. ``private_dir``: for files that nobody else may read."""
    sinks: list[Sink] = []
    if config.nagios:
        sinks.append(_nagios(config.nagios, private_dir))
    if config.zabbix:
        sinks.append(ZabbixTrapperSink(config.zabbix.server))
    return tuple(sinks)


def _nagios(ways: NagiosSink, private_dir: Path) -> Sink:
    """A way on this host where Nagios runs here, else over the network.

    By directories, not by the pipe: it is missing whenever Nagios is down. The command file comes first:
    Nagios reads it at once and in order.
    """
    if ways.command_file and (_stands(Path(ways.command_file).parent) or not (ways.nsca_ng or ways.spool)):
        return CommandFileSink(Path(ways.command_file))
    if ways.spool and (_stands(Path(ways.spool)) or not ways.nsca_ng):
        return SpoolSink(Path(ways.spool))
    return NscaNgSink(ways.nsca_ng, Path(ways.nsca_ng_secret), private_dir)


def _stands(directory: Path) -> bool:
    """Also where only Nagios's own group may look, which this process gets as soon as Nagios is there."""
    try:
        return directory.is_dir()
    except PermissionError:
        return True
