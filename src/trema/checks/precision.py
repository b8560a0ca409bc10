"""How often each check was right on the benchmark of faults, and what may be said for it.

The counts are written by ``bench/faults/run.py`` over both halves and all seeds. A finding whose
fact was measured *is* so. Any other is as sure as the check has proved to be: *likely* from 20
firings on with a Wilson interval (95 %) that begins at 0.7 or above, else it only *may* be so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trema.core.diagnosis import Confidence

#: Firings under which a share says little, whatever it is.
LEAST_FIRINGS = 20
#: Lower end of the interval from which a cause is called likely.
LIKELY = 0.7

_FILE = Path(__file__).with_name("precision.json")


@dataclass(frozen=True)
class Precision:
    """Firings of a check as an alarm, and how many of them named an accepted cause.

    right, firings : over all seeds
    programs : different programs among them
    healthy : firings on healthy programs
    """

    right: int = 0
    firings: int = 0
    programs: int = 0
    healthy: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval of 95 % (Wilson 1927, JASA 22); 0 to 1 of nothing."""
        n, z = self.firings, 1.96
        if not n:
            return 0.0, 1.0
        p = self.right / n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def confidence(self) -> Confidence:
        """What may be said of a finding whose cause was inferred."""
        proved = self.firings >= LEAST_FIRINGS and self.interval[0] >= LIKELY
        return "likely" if proved else "possible"


def precision_of(check: str) -> Precision:
    """What the benchmark says of a check; nothing of one that never fired, or is not ours."""
    return _known().get(check, Precision())


def confidence_of(check: str, stated: Confidence) -> Confidence:
    """How sure a finding is: a check may say less than it has proved, never more."""
    if stated != "likely":
        return stated
    return precision_of(check).confidence


@cache
def _known() -> Mapping[str, Precision]:
    try:
        found = json.loads(_FILE.read_text(encoding="utf-8"))["checks"]
        return {name: Precision(**counts) for name, counts in found.items()}
    except (OSError, ValueError, KeyError, TypeError):  # a damaged file stops no training
        return {}
