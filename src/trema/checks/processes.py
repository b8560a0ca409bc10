"""The comparison of ranks as checks read it, and comparisons for their cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trema.checks.base import situation
from trema.core.diagnosis import Location
from trema.core.facts import Fact, Layer, Observation, RunInfo
from trema.core.history import History


def comparison(history: History) -> Mapping[str, Any] | None:
    """The newest comparison of this rank with the others; None when there is none."""
    seen = history.observations(Fact.RANKS)
    return seen[-1].data if seen else None


def synchronized(data: Mapping[str, Any]) -> bool:
    """Whether the program lets the ranks train one model together: each of them runs it in
    DistributedDataParallel. Ranks without it may train models of their own, or parts of one."""
    weights = data.get("weights")
    return bool(weights and weights["wrapped"] and weights["inside"])


def alone(data: Mapping[str, Any]) -> bool:
    """Whether the ranks call nothing that joins them: no collective operation in the last steps."""
    weights = data.get("weights")
    return bool(weights and not weights["wrapped"] and weights["synchronized"] == 0)


def shards(data: Mapping[str, Any]) -> bool:
    """Whether the training data are divided among these ranks by a distributed sampler."""
    loaders = data["loaders"]
    return bool(loaders) and all(one["replicas"] == data["world"] for one in loaders.values())


def ranks_named(ranks: list[int], most: int = 6) -> str:
    """``rank 1``, ``ranks 1 and 2``, or the first ones and how many more."""
    words = [str(rank) for rank in ranks[:most]]
    if len(ranks) > most:
        return f"ranks {', '.join(words)} and {len(ranks) - most} more"
    if len(words) == 1:
        return f"rank {words[0]}"
    return f"ranks {', '.join(words[:-1])} and {words[-1]}"


def loop_place(run: RunInfo) -> Location | None:
    """The line that runs the model in training, else that of the step."""
    return run.place("model", "step", "loop")


def data_place(run: RunInfo) -> Location | None:
    """The line that makes the training loader, else the one that hands its batches on."""
    return run.place("shuffle", "data", "inputs", "step")


# for cases ------------------------------------------------------------------------------------


def two_ranks(
    run: RunInfo | None = None,
    *,
    weights: Mapping[str, Any] | None = None,
    batches: Mapping[str, Any] | None = None,
    noise: Mapping[str, Any] | None = None,
    loaders: Mapping[str, Mapping[str, Any]] | None = None,
    exhausted: Mapping[str, int] | None = None,
    joined: bool = False,
    world: int = 2,
    facts: Any = None,
) -> History:
    """A history in which rank 0 compared itself with rank 1; by default nothing is wrong."""
    data = {
        "rank": 0,
        "world": world,
        "joined": joined,
        "ranks": [0, 1],
        "loaders": loaders if loaders is not None else {"0": sampled(0), "1": sampled(1)},
        "exhausted": exhausted or {},
        "weights": {**_EQUAL, **(weights or {})},
        "batches": {**_OTHER_SAMPLES, **(batches or {})},
        "noise": {**_OTHER_NOISE, **(noise or {})},
    }
    seen = Observation(fact=Fact.RANKS, step=32, epoch=1, data=data)
    return situation(run or RunInfo(framework="torch"), observations=[seen], facts=facts)


def sampled(rank: int, batches: int = 8) -> dict[str, Any]:
    """A loader with a distributed sampler."""
    return {"batches": batches, "sampler": "DistributedSampler", "replicas": 2, "rank": rank}


def plain(batches: int = 16, sampler: str = "RandomSampler") -> dict[str, Any]:
    """A loader that knows of no other rank."""
    return {"batches": batches, "sampler": sampler, "replicas": None, "rank": None}


def normalization(name: str = "BatchNorm2d") -> Layer:
    """A normalization over the batch."""
    shape = (None, 32, 8, 8)
    return Layer(name="bn", kind="normalization", class_name=name, output_shape=shape)


_EQUAL: dict[str, Any] = {
    "steps": [1, 2, 4, 8, 16, 32],
    "distances": [0.0] * 6,
    "step": 32,
    "parameter": "fc.weight",
    "compared": 4,
    "differ": {"1": 0},
    "greatest": {"1": 0.0},
    "inside": 32,
    "outside": 0,
    "wrapped": True,
    "synchronized": 3.0,
}
_OTHER_SAMPLES: dict[str, Any] = {
    "compared": {"1": 8},
    "same": {"1": 0},
    "samples": 128,
    "distinct": 8,
}
_OTHER_NOISE: dict[str, Any] = {
    "compared": 8,
    "torch": 0,
    "numpy": 0,
    "python": 0,
    "moves": True,
}
