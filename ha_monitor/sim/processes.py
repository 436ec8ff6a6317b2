"""The same work for many jobs, in as many processes as there are cores."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import TypeVar

AHEAD = 3  # pieces of work per process that are given out before their turn

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Job], Result], jobs: Iterable[Job], processes: int, at_once: int = 1
) -> Iterator[Result]:
    """The result of each job, in the order of the jobs; ``at_once``: how many a process takes at a time.

    ``work`` is a function of a module. A process that dies raises BrokenProcessPool here. Who stops asking
    waits for what is under way, and for nothing else. Who is killed leaves no process behind.
    """
    if processes <= 1:
        yield from map(work, jobs)
        return
    # Not forked from here: a copy of a process whose other threads held a lock waits for it for ever.
    context = multiprocessing.get_context("forkserver")
    pieces = _pieces(jobs, at_once)
    waiting: deque[Future[list[Result]]] = deque()
    watched, kept = context.Pipe(duplex=False)
    with watched, kept, ProcessPoolExecutor(processes, context, _end_with_parent, (watched,)) as pool:
        try:
            for piece in itertools.islice(pieces, processes * AHEAD):
                waiting.append(pool.submit(_each, work, piece))
            while waiting:
                yield from waiting.popleft().result()
                for piece in itertools.islice(pieces, 1):
                    waiting.append(pool.submit(_each, work, piece))
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent(watched: Connection) -> None:
    """The other end is held by the parent alone: the kernel closes it, however the parent ends."""

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            watched.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _pieces(jobs: Iterable[Job], at_once: int) -> Iterator[list[Job]]:
    left = iter(jobs)
    while piece := list(itertools.islice(left, at_once)):
        yield piece


def _each(work: Callable[[Job], Result], jobs: list[Job]) -> list[Result]:
    return [work(job) for job in jobs]
