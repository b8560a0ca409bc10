"""What the ranks of a distributed run told each other, compared.

A rank tells of its first steps and of steps 1, 2, 4, 8, …: values of its parameters, hashes of the
samples it trained on, hashes of its random states. Equal steps of two ranks are compared.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Values told of each parameter.
VALUES = 16
_GENERATORS = ("torch", "numpy", "python")

Told = Mapping[int, Sequence[Mapping[str, Any]]]


def packed(values: NDArray[np.float32]) -> str:
    """Values as a short word."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def unpacked(word: Any) -> NDArray[np.float32] | None:
    """The inverse of :func:`packed`; None for what it did not make."""
    try:
        return np.frombuffer(base64.b64decode(word, validate=True), dtype="<f4")
    except (TypeError, ValueError, binascii.Error):
        return None


def compared(told: Told, rank: int, segment: int, names: Sequence[str]) -> dict[str, Any] | None:
    """What the comparison of one rank with the others shows; None when no other has told anything.

    names : of the parameters whose values are told, in order
    """
    of = {
        other: [r for r in records if r.get("segment") == segment]
        for other, records in sorted(told.items())
    }
    others = [other for other, records in of.items() if other != rank and records]
    if not others or not of.get(rank):
        return None
    steps = {other: _steps(of[other]) for other in (rank, *others)}
    found: dict[str, Any] = {
        "ranks": sorted((rank, *others)),
        "loaders": {str(r): loader for r in (rank, *others) if (loader := _last(of[r], "loader"))},
        "exhausted": {
            str(r): end["steps"]
            for r in (rank, *others)
            if (end := _last(of[r], "exhausted")) and isinstance(end.get("steps"), int)
        },
    }
    weights = _weights(steps, rank, others, names)
    return found | {
        "weights": weights,
        "batches": _batches(steps, rank, others),
        "noise": _noise(steps, rank, others),
    }


def _steps(records: Iterable[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    return {
        r["step"]: r for r in records if r.get("kind") == "step" and isinstance(r.get("step"), int)
    }


def _last(records: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Any] | None:
    for record in reversed(records):
        if record.get("kind") == kind:
            return {k: v for k, v in record.items() if k not in ("kind", "t", "attempt", "segment")}
    return None


Steps = Mapping[int, Mapping[int, Mapping[str, Any]]]


def _weights(
    steps: Steps, rank: int, others: Sequence[int], names: Sequence[str]
) -> dict[str, Any] | None:
    """Relative distance of the parameters from those of each other rank, by common step."""
    distances: dict[int, float] = {}
    apart: dict[int, NDArray[np.float64]] = {}  # of the last common step
    for other in others:
        for step in sorted(steps[rank].keys() & steps[other].keys()):
            each = _distances(steps[rank][step], steps[other][step], len(names))
            if each is None:
                continue
            distances[step] = max(distances.get(step, 0.0), float(each.max(initial=0.0)))
            apart[other] = each
    if not distances:
        return None
    last = max(distances)
    mine = steps[rank][last]
    farthest = max(apart, key=lambda other: float(apart[other].max(initial=0.0)))
    return {
        "steps": sorted(distances),
        "distances": [distances[step] for step in sorted(distances)],
        "step": last,
        "parameter": names[int(apart[farthest].argmax())],
        "compared": len(names),
        "differ": {str(other): int((each > 0).sum()) for other, each in apart.items()},
        "greatest": {str(other): float(each.max(initial=0.0)) for other, each in apart.items()},
        "inside": mine.get("inside", 0),
        "outside": mine.get("outside", 0),
        "wrapped": bool(mine.get("wrapped")),
        "synchronized": _synchronized([steps[r] for r in (rank, *others)], sorted(distances)),
    }


def _distances(
    one: Mapping[str, Any], other: Mapping[str, Any], count: int
) -> NDArray[np.float64] | None:
    """Of each parameter: the distance of its values by their greater norm. None where the two
    ranks hold different parameters, or parts of them on purpose."""
    if one.get("names") != other.get("names") or one.get("apart") or other.get("apart"):
        return None
    mine, theirs = unpacked(one.get("values")), unpacked(other.get("values"))
    if mine is None or theirs is None or mine.shape != theirs.shape:
        return None
    if not count or mine.size != count * VALUES:
        return None
    a, b = (np.asarray(x, dtype=np.float64).reshape(count, VALUES) for x in (mine, theirs))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None  # NaN is another check's business
    norms = np.maximum(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return np.asarray(np.linalg.norm(a - b, axis=1) / np.maximum(norms, 1e-12))


def _synchronized(all_steps: Sequence[Mapping[int, Any]], common: Sequence[int]) -> float | None:
    """Most collective calls a step between the last two common steps at which they were counted;
    None where they were not."""
    most: list[float] = []
    for steps in all_steps:
        counts = [(s, steps[s].get("collectives")) for s in common if s in steps]
        known = [(s, count) for s, count in counts if isinstance(count, int)][-2:]
        if len(known) == 2:
            (before, first), (after, last) = known
            most.append((last - first) / (after - before))
    return max(most, default=None)


def _batches(steps: Steps, rank: int, others: Sequence[int]) -> dict[str, Any] | None:
    """How many of the first batches are the same on another rank, sample by sample."""
    own = {s: r["batch"] for s, r in steps[rank].items() if _hashes(r.get("batch"))}
    if not own:
        return None
    same, looked = {}, {}
    for other in others:
        theirs = {s: r["batch"] for s, r in steps[other].items() if _hashes(r.get("batch"))}
        both = own.keys() & theirs.keys()
        looked[str(other)] = len(both)
        same[str(other)] = sum(own[s] == theirs[s] for s in both)
    samples = {word for batch in own.values() for word in batch}
    return {
        "compared": looked,
        "same": same,
        "samples": len(samples),
        "distinct": len({tuple(batch) for batch in own.values()}),
    }


def _hashes(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(isinstance(word, str) for word in given)


def _noise(steps: Steps, rank: int, others: Sequence[int]) -> dict[str, Any]:
    """At how many common steps the random states were equal on all ranks compared."""
    both = [s for s in steps[rank] if s > 1 and all(s in steps[other] for other in others)]
    found: dict[str, Any] = {"compared": len(both)}
    for name in _GENERATORS:
        states = [{_state(steps[r][s], name) for r in (rank, *others)} for s in both]
        found[name] = sum(len(words) == 1 and None not in words for words in states)
    own = {_state(steps[rank][s], "torch") for s in both}
    return {**found, "moves": len(own) > 1}


def _state(record: Mapping[str, Any], name: str) -> str | None:
    states = record.get("random")
    word = states.get(name) if isinstance(states, Mapping) else None
    return word if isinstance(word, str) else None
