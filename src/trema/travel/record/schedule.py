"""When a frame is recorded, and which frames stay when the disk's budget is used up."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Log-spaced epochs a doubling: 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, … counted from 1.
_A_DOUBLING = 4


class Schedule:
    """Says which epochs or steps are recorded; numbers count from 0, as in the journal."""

    def __init__(self, wanted: str | int) -> None:
        self.unit = "step" if isinstance(wanted, int) else "epoch"
        self._wanted = wanted

    def due(self, number: int) -> bool:
        """Whether the state after this epoch or step is recorded."""
        if isinstance(self._wanted, int):
            return (number + 1) % self._wanted == 0
        if self._wanted == "epoch":
            return True
        return _octave(number + 1) > _octave(number) or number + 1 <= 2 * _A_DOUBLING


def _octave(count: int) -> int:
    return math.floor(_A_DOUBLING * math.log2(count)) if count > 0 else -1


def thinned(places: Sequence[int], room: int, stride: int = 1) -> tuple[list[int], int]:
    """Which of these places stay when there is room for so many, and the stride they stand at.

    ``places`` count the frames that were ever recorded, ascending from the first. The first and the
    last stay, and between them multiples of the stride, a power of two that doubles when they are
    too many; given the stride of the time before, a long recording stays even.
    """
    while True:
        kept = [at for at in places if at == places[-1] or (at - places[0]) % stride == 0]
        if len(kept) <= max(2, room):
            return kept, stride
        stride *= 2
