"""What `ha-monitor init` does: a draft of answers or options, checked, becomes the two files.

Nothing that stands there is lost: without --force nothing is overwritten, with it the former files
are kept beside the new ones as ``.old``.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from ha_monitor import paths
from ha_monitor.cli.init_draft import Draft, next_steps, toml_text
from ha_monitor.cli.init_questions import ask_draft
from ha_monitor.cli.this_host import addresses_here
from ha_monitor.config import parse_config
from ha_monitor.config_keys import KEY_BYTES, keys_text
from ha_monitor.errors import ConfigErrors


def init(args: argparse.Namespace) -> int:
    """Exit code 0 when both files are written, 2 when nothing is."""
    if args.new_key:
        print(f"{secrets.randbelow(255) + 1} {secrets.token_hex(KEY_BYTES)}")
        return 0
    directory = args.directory or paths.etc_dir()
    targets = directory / "cluster.toml", directory / "cluster.key"
    standing = [str(path) for path in targets if path.exists()]
    if standing and not args.force:
        return _refuse(f"{' and '.join(standing)}: exists already; --force replaces it and keeps it as .old")
    if not args.yes and not sys.stdin.isatty():
        return _refuse("standard input is no terminal: give --yes and options, see `ha-monitor init --help`")
    try:
        draft = _draft_of(args)
        text = toml_text(draft if args.yes else ask_draft(draft))
        config = parse_config(text.encode())
    except (ConfigErrors, ValueError) as error:
        return _refuse(str(error))
    except (EOFError, KeyboardInterrupt):
        return _refuse("\nnothing was written")
    try:
        _write(directory, text)
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}; nothing else was changed")
    print(f"wrote {targets[0]} and {targets[1]} (configuration {config.digest})\n")
    print("\n".join(next_steps(config, addresses_here(), str(directory))))
    return 0


def _refuse(reason: str) -> int:
    sys.stderr.write(f"ha-monitor init: {reason}\n")
    return 2


def _pair(option: str, text: str) -> tuple[str, str]:
    name, separator, rest = text.partition("=")
    if not (name and separator and rest):
        raise ValueError(f"{option}: {text!r} is not a name, =, and an address, such as mon=192.0.2.9")
    return name.strip(), rest.strip()


def _draft_of(args: argparse.Namespace) -> Draft:
    if args.yes and not (args.node and args.vip + args.unit):
        raise ValueError("--yes needs at least two --node, a --witness and a --vip or --unit")
    pairs = [_pair("--node", text) for text in args.node]
    nodes = tuple((name, tuple(part.strip() for part in rest.split(","))) for name, rest in pairs)
    links = tuple(part.strip() for part in args.links.split(","))
    if any(len(addresses) > len(links) for _, addresses in nodes):
        raise ValueError(f"--node: more addresses than Links; name them: --links {','.join(links)},...")
    witness = _pair("--witness", args.witness) if args.witness else None
    return Draft(
        name=args.name or "web",
        nodes=nodes,
        witness=witness,
        group=args.group or "www",
        vips=tuple(args.vip),
        units=tuple(args.unit),
        timing=args.timing,
        links=links,
        nsca_ng=args.nsca_ng,
        nsca_ng_secret=args.nsca_ng_secret or str((args.directory or paths.etc_dir()) / "nsca_ng.secret"),
        zabbix=args.zabbix,
    )


def _write(directory: Path, text: str) -> None:
    """Both files appear whole, the key never readable by others."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    ident, key = secrets.randbelow(255) + 1, secrets.token_bytes(KEY_BYTES)
    # The key first: a host with a configuration and no key says so, the other way round it would start.
    _replace(directory / "cluster.key", keys_text([(ident, key)]), 0o600)
    _replace(directory / "cluster.toml", text, 0o644)


def _replace(path: Path, text: str, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        path.replace(path.with_name(f"{path.name}.old"))
    fresh.replace(path)
