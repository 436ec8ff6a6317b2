"""The disk under an outbox: what waits for one sink, in a sqlite file of its own.

WAL with synchronous NORMAL: a crash of the process loses nothing, a power cut the last moments. A
damaged file is put aside and counted; a full disk costs states, counted, and keeps transitions
unacknowledged, so that their maker holds them. Policy lives in publish/outbox.py, here is its memory.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ha_monitor.errors import SinkError
from ha_monitor.publish.outbox import (
    REMEMBERED_MAX,
    TRIES_MAX,
    Parcel,
    Policy,
    Waiting,
    is_given_up,
    overflowing,
    retry_after_s,
    superseded,
    thinned,
)
from ha_monitor.timebase import SECOND

_SCHEMA = """
CREATE TABLE IF NOT EXISTS parcels (
    row INTEGER PRIMARY KEY AUTOINCREMENT, slot TEXT NOT NULL, at_ns INTEGER NOT NULL,
    is_event INTEGER NOT NULL, ident TEXT NOT NULL, body TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, not_before_ns INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS in_order ON parcels (at_ns, is_event, row);
CREATE INDEX IF NOT EXISTS by_slot ON parcels (slot);
CREATE UNIQUE INDEX IF NOT EXISTS by_ident ON parcels (ident) WHERE ident <> '';
CREATE TABLE IF NOT EXISTS sent (row INTEGER PRIMARY KEY AUTOINCREMENT, ident TEXT NOT NULL UNIQUE);
"""
_REMEMBER = "INSERT OR IGNORE INTO sent (ident) SELECT ident FROM parcels WHERE row = ? AND ident <> ''"
_SIZES = """SELECT coalesce(sum(is_event = 0), 0), coalesce(sum(is_event), 0),
    coalesce(sum(length(body)), 0) FROM parcels"""
_META = "SELECT row, slot, at_ns, ident, '' AS body, tries FROM parcels"
BUSY_S = 2.0


@dataclass(frozen=True)
class Depth:
    """How much waits: parcels, and the stamp of the oldest (0: none). Parked ones are refused for now."""

    queue: int = 0
    oldest_ns: int = 0
    parked: int = 0


class Outbox:
    """What waits for one sink. Any thread may call; a call holds a lock and one short transaction."""

    def __init__(self, path: Path, policy: Policy) -> None:
        self.path = path
        self.policy = policy
        self.dropped = 0  # parcels given up because of a bound or the disk
        self.refused = 0  # states given up because the sink does not take them, and parked transitions
        self.damaged = 0  # files that could not be read and were put aside
        self._lock = threading.RLock()
        self._puts = 0
        self._db = self._open()

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Keep these; committed on return. A transition that was kept or sent before is kept no second time.

        Raises SinkError when the disk does not take them; states are then counted as dropped, transitions
        are not: whoever holds them tries again.
        """
        fresh = [parcel for parcel in parcels if not parcel.is_event]
        try:
            with self._guarded():
                self._make_room()
                for parcel in parcels:
                    self._insert(parcel)
        except (sqlite3.Error, SinkError) as error:
            self.dropped += len(fresh)
            raise SinkError(f"outbox {self.path}: {error}") from error

    def batch(self, size_max: int, at_ns: int) -> list[Waiting]:
        """The next to be sent, in order, parked ones left out. Raises SinkError."""
        query = (
            "SELECT row, slot, at_ns, ident, body, tries FROM parcels WHERE not_before_ns <= ?"
            " ORDER BY at_ns, is_event, row LIMIT ?"
        )
        with self._guarded() as db:
            return [_waiting(row) for row in db.execute(query, (at_ns, size_max))]

    def taken(self, rows: Sequence[int]) -> None:
        """The sink has them. Their transitions' idents are remembered. Raises SinkError."""
        with self._guarded() as db:
            for row in rows:
                db.execute(_REMEMBER, (row,))
                db.execute("DELETE FROM parcels WHERE row = ?", (row,))
            db.execute("DELETE FROM sent WHERE row <= (SELECT max(row) FROM sent) - ?", (REMEMBERED_MAX,))

    def refuse(self, rows: Sequence[int], at_ns: int) -> None:
        """The sink does not take them: tried again later, states not for ever. Raises SinkError."""
        with self._guarded() as db:
            for entry in [e for row in rows for e in self._meta("WHERE row = ?", (row,))]:
                tries = entry.tries + 1
                # Counted once, when it becomes clear that this is no matter of seconds.
                self.refused += tries == TRIES_MAX
                if is_given_up(entry.parcel, tries):
                    self._delete([entry])
                    continue
                again_ns = at_ns + int(retry_after_s(tries) * SECOND)
                db.execute(
                    "UPDATE parcels SET tries = ?, not_before_ns = ? WHERE row = ?",
                    (tries, again_ns, entry.row),
                )

    def forget_states(self, host: str) -> None:
        """Drop what waits for a host that somebody else tells now: it would overwrite what is newer."""
        with self._guarded() as db:
            db.execute(
                "DELETE FROM parcels WHERE is_event = 0 AND substr(slot, 1, ?) = ?",
                (len(host) + 1, f"{host}\t"),
            )

    def depth(self, at_ns: int) -> Depth:
        """How much waits now. Raises SinkError."""
        query = "SELECT count(*), coalesce(min(at_ns), 0), coalesce(sum(not_before_ns > ?), 0) FROM parcels"
        with self._guarded() as db:
            queue, oldest_ns, parked = db.execute(query, (at_ns,)).fetchone()
        return Depth(queue, oldest_ns, parked)

    def close(self) -> None:
        """Write what is left to the main file and close."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._db.close()

    def _insert(self, parcel: Parcel) -> None:
        if parcel.is_event:
            self._db.execute(
                "INSERT OR IGNORE INTO parcels (slot, at_ns, is_event, ident, body) SELECT ?, ?, 1, ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM sent WHERE ident = ?)",
                (parcel.slot, parcel.at_ns, parcel.ident, parcel.body, parcel.ident),
            )
            return
        self._db.execute(
            "INSERT INTO parcels (slot, at_ns, is_event, ident, body) VALUES (?, ?, 0, '', ?)",
            (parcel.slot, parcel.at_ns, parcel.body),
        )
        same = (
            self._meta("WHERE slot = ? AND is_event = 0", (parcel.slot,))
            if not self.policy.keeps_history
            else []
        )
        self._delete(superseded(self.policy, same))

    def _make_room(self) -> None:
        """Hold the bounds. Looked at now and then: a bound is no exact number."""
        self._puts += 1
        if self._puts % 16 != 1:
            return
        states, events, size = self._db.execute(_SIZES).fetchone()
        if states > self.policy.states_max:
            self._give_up(thinned(self._meta("WHERE is_event = 0"), self.policy.states_max * 9 // 10))
        elif size > self.policy.bytes_max:
            self._give_up(thinned(self._meta("WHERE is_event = 0"), states // 2))
        if events > self.policy.transitions_max:
            self._give_up(overflowing(self._meta("WHERE is_event = 1"), self.policy.transitions_max))

    def _give_up(self, entries: Sequence[Waiting]) -> None:
        self._delete(entries)
        self.dropped += len(entries)

    def _delete(self, entries: Sequence[Waiting]) -> None:
        self._db.executemany("DELETE FROM parcels WHERE row = ?", [(entry.row,) for entry in entries])

    def _meta(self, where: str, values: Sequence[object] = ()) -> list[Waiting]:
        return [_waiting(row) for row in self._db.execute(f"{_META} {where}", tuple(values))]

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """One transaction. A file that turns out to be damaged is replaced, and the caller told."""
        with self._lock:
            try:
                with self._db:
                    yield self._db
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise SinkError(f"outbox {self.path}: {error}") from error
                self._replace_damaged()
                raise SinkError(f"outbox {self.path} was damaged and put aside: {error}") from error

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise SinkError(f"outbox {self.path}: {error}") from error
            self._put_aside()
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            raise SinkError(f"outbox {self.path} cannot be made: {error}") from error

    def _replace_damaged(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._put_aside()
        self._db = _connect(self.path)

    def _put_aside(self) -> None:
        """Keep one damaged file for whoever wants to look; its write-ahead log goes."""
        self.damaged += 1
        try:
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path, self.path.with_suffix(".damaged"))
            for end in ("-wal", "-shm"):
                Path(f"{self.path}{end}").unlink(missing_ok=True)
        except OSError as error:
            raise SinkError(f"outbox {self.path} is damaged and stays: {error.strerror}") from error


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is broken, as against a full disk, a lock, a missing right."""
    if not isinstance(error, sqlite3.OperationalError):
        return True
    return not any(word in str(error) for word in ("full", "locked", "busy", "unable to open", "readonly"))


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SinkError(f"{path.parent}: {error.strerror}") from error
    db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA journal_size_limit=4194304")
        db.executescript(_SCHEMA)
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError:
        db.close()
        raise
    if verdict != "ok":
        db.close()
        raise sqlite3.DatabaseError(verdict)
    os.chmod(path, 0o600)
    return db


def _waiting(row: tuple[int, str, int, str, str, int]) -> Waiting:
    number, slot, at_ns, ident, body, tries = row
    return Waiting(number, Parcel(slot, at_ns, body, ident), tries)
