"""What a former core left to its successor: a Lease that voters still hold, and perhaps a service."""

from __future__ import annotations


class Adoption:
    """Of one group, from the start of a core until it holds the Lease itself, or the former one is over."""

    def __init__(self) -> None:
        self._until_ns = 0  # voters hold it so long; 0: there is nothing to take up
        self._untouched_until_ns = 0  # never later than that
        self._is_won_in_time = False

    def begin(self, at_ns: int, hold_left_ns: int, ending_ns: int) -> None:
        """Voters hold it so much longer; the last ``ending_ns`` of that are for the guard to end it."""
        self._until_ns = at_ns + hold_left_ns
        self._untouched_until_ns = self._until_ns - ending_ns

    def is_under_way(self, at_ns: int) -> bool:
        """Whether a former core of this Node still holds the Lease, as far as is known here."""
        return at_ns < self._until_ns

    @property
    def serves_until_ns(self) -> int:
        """When what the former core opened must be closed; 0 when there is nothing to take up."""
        return self._untouched_until_ns

    def win(self, at_ns: int) -> None:
        """This core holds it now."""
        self._is_won_in_time = at_ns < self._untouched_until_ns
        self.end()

    def end(self) -> None:
        """Nothing is left of the former core's Lease."""
        self._until_ns = self._untouched_until_ns = 0

    def was_untouched(self) -> bool:
        """Whether the service ran through, so that nothing is to be told. Asked once for each Lease won."""
        is_so, self._is_won_in_time = self._is_won_in_time, False
        return is_so
