"""Memory that did not suffice: what takes most of it, and a batch that is likely to fit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from trema.core.diagnosis import Cause, Evidence, Fix
from trema.core.facts import OptimizerInfo, RunInfo
from trema.diagnosis.crash import Crash, Explained

_OUT = re.compile(
    r"out of memory|RESOURCE_EXHAUSTED|can't allocate memory|not enough memory|"
    r"Unable to allocate|OOM when allocating",
    re.IGNORECASE,
)
_SIZE = r"([\d.]+) ?(KiB|MiB|GiB|TiB|bytes)"
_TRIED = re.compile(
    rf"(?:[Tt]ried to allocate|Unable to allocate|allocating|allocate) {_SIZE}", re.IGNORECASE
)
_CAPACITY = re.compile(rf"total capacity of {_SIZE}")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_BYTES = {"float64": 8, "int64": 8, "complex64": 8, "float16": 2, "bfloat16": 2, "int16": 2}
#: Arrays as large as the parameters that an optimizer keeps; the papers and both frameworks.
_STATES = {"adam": 2, "adamw": 2, "nadam": 2, "radam": 2, "adamax": 2, "lamb": 2, "adadelta": 2,
           "adagrad": 1, "rmsprop": 1, "lion": 1, "ftrl": 2, "lbfgs": 10}  # fmt: skip
#: Share of the memory that may be planned for: fragments and workspaces take the rest.
USABLE = 0.8


@dataclass(frozen=True)
class Consumers:
    """Bytes by what they are for; activations are for one sample."""

    parameters: int
    gradients: int
    state: int
    per_sample: int

    @property
    def fixed(self) -> int:
        """What does not depend on the batch."""
        return self.parameters + self.gradients + self.state


def consumers(info: RunInfo) -> Consumers:
    """What a training step holds, by the shapes and types that are known.

    Activations are the outputs of all layers, which the backward pass needs; an operation may keep
    more, so that this is the least.
    """
    weights = gradients = 0
    width = 4
    for parameter in info.parameters:
        width = _BYTES.get(parameter.dtype, 4)
        size = math.prod(parameter.shape) * width
        weights += size
        gradients += size if parameter.trainable else 0
    states = _states(info.optimizers[0]) if info.optimizers else 0
    outputs = sum(
        math.prod(size for size in layer.output_shape[1:] if size)
        for layer in info.layers
        if layer.output_shape and layer.kind not in ("input", "reshape")
    )
    return Consumers(weights, gradients, states * gradients, outputs * width)


def _states(optimizer: OptimizerInfo) -> int:
    if optimizer.kind == "sgd":
        return 1 if optimizer.config.get("momentum") else 0
    return _STATES.get(optimizer.kind, 1)


def memory(crash: Crash, info: RunInfo) -> Explained | None:
    """The explanation of a crash for want of memory, or None for any other."""
    if "MemoryError" not in crash.kinds and not _OUT.search(crash.message):
        return None
    parts = consumers(info)
    batch = crash.batch_size() or info.batch_size
    tried, capacity = _bytes(_TRIED, crash.message), _bytes(_CAPACITY, crash.message)
    capacity = capacity or crash.memory
    fit = likely_batch(parts, batch, capacity, tried)
    told = []
    if parts.fixed > 2**20:
        told.append(f"parameters take {size(parts.parameters)}")
        told.append(f"gradients {size(parts.gradients)}")
        if parts.state:
            told.append(f"the state of {info.optimizers[0].kind} {size(parts.state)}")
    if parts.per_sample and batch:
        told.append(f"activations of {batch} samples at least {size(parts.per_sample * batch)}")
    asked = f"{size(tried)} more were asked for" if tried else "more was asked for than there is"
    of = f" of {size(capacity)}" if capacity else ""
    message = f"the memory{of} is full: {asked}" + (f"; {', '.join(told)}" if told else "")
    return Explained(
        message=message,
        fixes=(
            *_too_large(tried, capacity),
            *_fixes(parts, batch, fit, capacity),
            *_habits(gpu=crash.memory is None),
        ),
        cause=Cause.BUDGET,
        layer=crash.layer,
        evidence=_evidence(parts, batch, tried, capacity),
    )


def likely_batch(
    parts: Consumers, batch: int | None, capacity: int | None, tried: int | None = None
) -> int | None:
    """The power of two that is likely to fit; half the batch where little is known; None when even
    one sample does not fit or no batch is known."""
    if not batch or batch < 2:
        return None
    half = 1 << int(math.log2(batch / 2))
    each = max(parts.per_sample, (tried or 0) / batch)  # all outputs, or the one array asked for
    if not capacity or not each:
        return half
    room = USABLE * capacity - parts.fixed
    if room < each:
        return None
    return min(half, 1 << int(math.log2(room / each)))


def _fixes(
    parts: Consumers, batch: int | None, fit: int | None, capacity: int | None
) -> tuple[Fix, ...]:
    fixes = []
    if fit is not None and batch is not None:
        steps = math.ceil(batch / fit)
        fixes.append(Fix(f"a batch of {fit} is likely to fit, instead of {batch}"))
        fixes.append(Fix(f"add the gradients of {steps} such batches before each step"))
    elif capacity and parts.fixed > USABLE * capacity:
        fixes.append(Fix("the parameters alone do not fit: a smaller model, or lower precision"))
    elif batch is not None and batch > 1:
        fixes.append(Fix("smaller samples: shorter sequences or smaller images"))
    return tuple(fixes)


def _too_large(tried: int | None, capacity: int | None) -> tuple[Fix, ...]:
    if not tried or not capacity or tried <= capacity:
        return ()
    text = f"one array of {size(tried)} is more than there is: look at the shapes on this line"
    return (Fix(text),)


def _habits(*, gpu: bool) -> tuple[Fix, ...]:
    graph = Fix("keep no graph: log `loss.item()`, and validate under `torch.no_grad()`")
    if gpu:
        half = Fix('mixed precision halves the activations: `torch.autocast("cuda")`')
        return (half, graph)
    return (Fix('read the data in parts, or map it: `np.load(path, mmap_mode="r")`'), graph)


def _evidence(
    parts: Consumers, batch: int | None, tried: int | None, capacity: int | None
) -> tuple[Evidence, ...]:
    limit = float(capacity) if capacity else None
    rows = (
        ("memory-asked", tried),
        ("memory-parameters", parts.parameters),
        ("memory-gradients", parts.gradients),
        ("memory-optimizer", parts.state),
        ("memory-activations", parts.per_sample * (batch or 1)),
    )
    found = [Evidence(name, float(value), limit, "bytes") for name, value in rows if value]
    return tuple(found) or (Evidence("memory-asked", float("nan"), limit, "bytes"),)


def _bytes(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(float(match[1]) * _UNITS[_unit(match[2])]) if match else None


def _unit(word: str) -> str:
    return next(unit for unit in _UNITS if unit.lower() == word.lower())


def size(count: int) -> str:
    """``1.5 GiB``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.3g} {unit}"
    return f"{count} bytes"
