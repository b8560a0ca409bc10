"""What a check may say is bounded by how often it was right."""

from __future__ import annotations

import pytest

from trema.checks import precision
from trema.checks.precision import Precision, confidence_of


def test_the_interval_is_wilsons() -> None:
    # 18 of 20: (0.6990, 0.9721), computed by hand from the formula of Wilson (1927)
    low, high = Precision(18, 20).interval
    assert (round(low, 4), round(high, 4)) == (0.699, 0.9721)
    assert Precision().interval == (0.0, 1.0)


@pytest.mark.parametrize(
    ("right", "firings", "expected"),
    [(0, 0, "possible"), (19, 19, "possible"), (20, 20, "likely"), (15, 20, "possible")],
)
def test_under_twenty_firings_nothing_is_likely(right: int, firings: int, expected: str) -> None:
    assert Precision(right, firings).confidence == expected


def test_a_measured_fact_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_known", lambda: {"good": Precision(40, 40, 9)})
    assert confidence_of("never-fired", "measured") == "measured"
    assert confidence_of("never-fired", "likely") == "possible"
    assert confidence_of("good", "likely") == "likely"
    assert confidence_of("good", "possible") == "possible"


def test_the_counts_in_the_package_can_be_read() -> None:
    for name, known in precision._known().items():
        assert 0 <= known.right <= known.firings, name
        assert known.programs <= known.firings, name
