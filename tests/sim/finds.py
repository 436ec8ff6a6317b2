"""What is known of a planted bug: how soon it is found, and by which checker."""

from typing import NamedTuple


class Find(NamedTuple):
    """``seeds_max``: found among so many seeds, from 0 on; ``sentence``: what only that checker says."""

    seeds_max: int
    sentence: str
