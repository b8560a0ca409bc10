"""The fixed samples of a recording, from whatever the user trains with.

Nothing here draws: samples are read in their own order, and a loader is never iterated, because
that would draw from the generators of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import UsageError
from trema.travel.record.files import checked_split
from trema.travel.record.writer import Samples

Collate = Callable[[list[Any]], Any]
Indices = NDArray[np.int64]

#: What can be given as ``travel``.
_TAKEN = "give arrays x or (x, y), a data set, a loader, or a mapping of those by split"
#: Keys under which batches that are dictionaries hold their labels.
LABELS = ("labels", "label", "targets", "target", "y")


class Source:
    """The samples of one split.

    Parameters
    ----------
    size : samples
    read : gives (inputs, labels or None) of some places; inputs as the data hold them
    indices : where the samples stand in the user's data, of shape (size,)
    beneath : objects whose own random generators reading may draw from
    """

    def __init__(
        self,
        size: int,
        read: Callable[[Indices], tuple[Any, Any]],
        indices: Indices,
        beneath: Sequence[Any] = (),
    ) -> None:
        self.indices = indices
        self.beneath = tuple(beneath)
        self._read = read
        self._places = np.arange(size, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._places)

    def limited(self, samples: int | None) -> Source:
        """At most so many samples, evenly spaced."""
        if samples is None or samples >= len(self):
            return self
        some = np.linspace(0, len(self) - 1, samples).astype(np.int64)
        result = Source(len(some), self._read, self.indices[some], self.beneath)
        result._places = self._places[some]
        return result

    def batches(self, size: int) -> Iterator[tuple[Any, Any]]:
        """All samples in order, as (inputs, labels or None)."""
        for at in range(0, len(self), size):
            yield self._read(self._places[at : at + size])

    def samples(self, labels: NDArray[np.int64] | None) -> Samples:
        """What is kept beside the frames."""
        return Samples(self.indices, labels)


def sources_of(data: Any, *, collate: Collate, limit: int | None = None) -> dict[str, Source]:
    """The splits of what was given as ``travel``.

    Parameters
    ----------
    data : a data set, a loader, arrays ``x`` or ``(x, y)``, or a mapping of those by split
    collate : makes a batch of a list of samples
    limit : at most so many samples of each

    Raises
    ------
    UsageError
        When these are no samples, they cannot be read by their index, or there are none.
    """
    named = data if _is_splits(data) else {"train": data}
    found = {}
    for name, part in named.items():
        source = _source(part, collate).limited(limit)
        if len(source) < 2:
            raise UsageError(f"travel data {name!r} holds {len(source)} samples: give at least two")
        found[checked_split(name)] = source
    return found


def _is_splits(data: Any) -> bool:
    """Whether these are splits; a mapping of arrays of equal length are inputs by name."""
    if not isinstance(data, Mapping) or not data:
        return False
    if set(data) <= {"train", "test", "validation", "unlabelled"}:
        return True
    return not all(_is_array(part) for part in data.values())


def _source(data: Any, collate: Collate) -> Source:
    if isinstance(data, Source):
        return data
    if isinstance(data, str | bytes | PathLike):
        name = repr(str(data))[:60]
        raise UsageError(
            f"travel expects samples but got the text {name}: read the file, and {_TAKEN}"
        )
    if isinstance(data, Mapping) and not data:
        raise UsageError(f"travel expects samples but got an empty mapping: {_TAKEN}")
    given, data = data, _unlisted(data)
    if hasattr(data, "dataset") and hasattr(data, "batch_sampler"):  # a loader of torch
        return _source(data.dataset, getattr(data, "collate_fn", None) or collate)
    if hasattr(data, "dataset") and hasattr(data, "indices"):  # a subset
        return _subset(data, collate)
    if isinstance(getattr(data, "tensors", None), tuple):  # a TensorDataset
        tensors = data.tensors
        return _arrays(tensors[0] if len(tensors) <= 2 else tensors[:-1], tensors[1:][-1:])
    if _is_array(data) or isinstance(data, Mapping):
        return _arrays(data, ())
    few = isinstance(data, tuple | list) and len(data) <= 2
    if few and data and data[0] is not None and all(map(_is_input, data)):
        return _arrays(data[0], tuple(part for part in data[1:] if part is not None))
    if few and isinstance(data, tuple):  # nobody follows a data set of two samples
        got = ", ".join(type(part).__name__ for part in given)
        raise UsageError(f"travel expects samples but got the tuple ({got}): {_TAKEN}")
    if not hasattr(data, "__getitem__") and not hasattr(data, "__iter__"):
        raise UsageError(f"travel expects samples but got {type(data).__name__}: {_TAKEN}")
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise UsageError(
            f"travel needs samples that can be read by index, but {type(data).__name__} only "
            "streams them: give arrays (x, y) or a data set with a length"
        )
    if hasattr(data, "num_batches") or _keras_batches(data):
        return _batched(data)

    def read(places: Indices) -> tuple[Any, Any]:
        return divided(collate([data[int(at)] for at in places]))

    return Source(len(data), read, np.arange(len(data), dtype=np.int64), (data, collate))


def _unlisted(data: Any) -> Any:
    """Nested lists of numbers as arrays: ``x``, or the parts of a pair; the rest as it is."""
    if isinstance(data, list) and (whole := _array_of(data)) is not None:
        return whole
    if not isinstance(data, tuple | list) or len(data) > 2:
        return data
    read = [_array_of(part) if isinstance(part, list) else None for part in data]
    parts = [part if array is None else array for part, array in zip(data, read, strict=True)]
    return type(data)(parts) if type(data) in (tuple, list) else data


def _array_of(nested: list[Any]) -> NDArray[Any] | None:
    """None for what is no list of plain numbers of one shape, such as a list of samples."""
    first: Any = nested
    while isinstance(first, list) and first:
        first = first[0]
    if not isinstance(first, int | float | np.generic):
        return None
    try:
        array = np.asarray(nested)
    except ValueError:  # of unequal lengths
        return None
    return array if array.dtype.kind in "fiub" else None


def _is_array(part: Any) -> bool:
    return hasattr(part, "shape") and hasattr(part, "dtype") and len(part.shape) >= 1


def _is_input(part: Any) -> bool:
    if isinstance(part, Mapping):
        return all(_is_array(value) for value in part.values())
    return part is None or _is_array(part)


def _keras_batches(data: Any) -> bool:
    return any(kind.__name__ == "PyDataset" for kind in type(data).__mro__)


def _arrays(inputs: Any, labels: Sequence[Any]) -> Source:
    parts = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    every = [*(parts if isinstance(parts, tuple | list) else [parts]), *labels]
    sizes = {len(part) for part in every}
    if len(sizes) != 1:
        raise UsageError(f"inputs and labels of travel data differ in length: {sorted(sizes)}")
    target = labels[0] if labels else None

    def read(places: Indices) -> tuple[Any, Any]:
        def rows(array: Any) -> Any:
            first, last = int(places[0]), int(places[-1])
            if last - first + 1 == len(places):
                return array[first : last + 1]
            return array[places]

        if isinstance(inputs, Mapping):
            x: Any = {name: rows(array) for name, array in inputs.items()}
        elif isinstance(inputs, tuple | list):
            x = tuple(rows(array) for array in inputs)
        else:
            x = rows(inputs)
        return x, None if target is None else rows(target)

    size = sizes.pop()
    return Source(size, read, np.arange(size, dtype=np.int64))


def _subset(data: Any, collate: Collate) -> Source:
    inner = _source(data.dataset, collate)
    chosen = np.asarray(data.indices, dtype=np.int64)
    result = Source(len(chosen), inner._read, inner.indices[chosen], inner.beneath)
    result._places = inner._places[chosen]
    return result


def _batched(data: Any) -> Source:
    """A data set of Keras whose items are batches, all of one size but the last."""
    first = divided(data[0])[0]
    size = _length(first)
    number = len(data)
    total = size * (number - 1) + _length(divided(data[number - 1])[0])

    def read(places: Indices) -> tuple[Any, Any]:
        rows = [(at // size, at % size) for at in places.tolist()]
        xs, ys = [], []
        for batch in sorted({b for b, _ in rows}):
            x, y = divided(data[batch])
            inside = [at for b, at in rows if b == batch]
            xs.append(np.asarray(x)[inside])
            if y is not None:
                ys.append(np.asarray(y)[inside])
        return np.concatenate(xs), np.concatenate(ys) if ys else None

    return Source(total, read, np.arange(total, dtype=np.int64), (data,))


def _length(inputs: Any) -> int:
    if isinstance(inputs, Mapping):
        return _length(next(iter(inputs.values())))
    return _length(inputs[0]) if isinstance(inputs, tuple | list) else len(inputs)


def divided(batch: Any) -> tuple[Any, Any]:
    """Inputs and labels of a batch: a pair, a dictionary with labels, or inputs alone."""
    if isinstance(batch, Mapping):
        labels = next((batch[name] for name in LABELS if name in batch), None)
        rest = {name: value for name, value in batch.items() if name not in LABELS}
        # a dictionary such as {"image": …, "label": …} has one input
        only = len(rest) == 1 and "input" not in next(iter(rest))
        return (next(iter(rest.values())) if only else rest), labels
    if isinstance(batch, tuple | list):
        if len(batch) == 1:
            return batch[0], None
        inputs = batch[0] if len(batch) == 2 else tuple(batch[:-1])
        return inputs, batch[-1]
    return batch, None
