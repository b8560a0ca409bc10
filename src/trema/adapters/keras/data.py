"""The data of a fit: the arguments of the running call, samples in both splits, statistics."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.adapters.keras.seen import named
from trema.core.samples import fingerprints, overlap
from trema.source.frames import CallSite, user_frame

#: Rows of the validation data whose statistics are taken.
VALIDATION_ROWS = 512
#: Arrays larger than this are compared by part of their columns first.
LARGE_BYTES = 64 * 2**20
#: Columns compared first.
FEW_COLUMNS = 256
#: Indices of shared samples that are told.
TOLD = 100

Rows = dict[str, np.ndarray]


@dataclass
class FitCall:
    """What the running ``fit`` was given; ``validation_split`` is already applied."""

    x: Any = None
    y: Any = None
    validation_x: Any = None
    validation_y: Any = None
    has_validation: bool = False
    batch_size: int | None = None
    epochs: int | None = None
    shuffle: bool | None = None
    weighted: bool = False  # classes or samples carry weights
    class_weights: tuple[tuple[float, float], ...] = ()  # class and its weight
    callbacks: list[Any] = field(default_factory=list)
    callback_list: Any = None
    site: CallSite | None = None
    method: str = "fit"


def running_fit(model: Any) -> FitCall | None:
    """The ``fit`` of this model that is running now, read from its frame."""
    frame = sys._getframe(1)
    found: Any = frame
    while found is not None:
        if found.f_code.co_name == "fit":
            names = found.f_locals
            if names.get("self") is model and "validation_data" in names and "x" in names:
                return _read(found, names)
        found = found.f_back
    return None


def _read(frame: Any, names: Any) -> FitCall:
    user = user_frame(frame.f_back) if frame.f_back is not None else None
    callbacks = names.get("callbacks")
    validation = names.get("validation_data")
    return FitCall(
        x=names.get("x"),
        y=names.get("y"),
        validation_x=names.get("val_x"),
        validation_y=names.get("val_y"),
        has_validation=validation is not None,
        batch_size=names.get("batch_size"),
        epochs=names.get("epochs"),
        shuffle=names.get("shuffle") if isinstance(names.get("shuffle"), bool) else None,
        weighted=names.get("class_weight") is not None or names.get("sample_weight") is not None,
        class_weights=class_weights(names.get("class_weight"), names.get("sample_weight")),
        callbacks=list(getattr(callbacks, "callbacks", ())),
        callback_list=callbacks,
        site=CallSite(user.f_code, user.f_lasti) if user is not None else None,
    )


def class_weights(by_class: Any, by_sample: Any) -> tuple[tuple[float, float], ...]:
    """Pairs of a class and its weight, where nothing else weighs the samples."""
    if not isinstance(by_class, dict) or by_sample is not None:
        return ()
    try:
        return tuple((float(c), float(w)) for c, w in by_class.items())
    except (TypeError, ValueError):  # Keras tells what it makes of it
        return ()


def rows_of(data: Any) -> Rows | None:
    """Arrays of the samples by input name; None when the data cannot be seen whole."""
    data = _dataset_tensors(data)
    tensors = named(data)
    if not tensors and hasattr(data, "to_numpy"):
        tensors = {"": data.to_numpy()}
    found: Rows = {}
    for name, tensor in tensors.items():
        array = _array(tensor)
        if array is None or array.ndim == 0:
            return None
        found[name] = array
    return found or None


def labels_of(x: Any, y: Any) -> np.ndarray | None:
    """The targets as one array, also from a tensor dataset behind a loader."""
    if y is None and hasattr(x, "dataset"):
        tensors: Any = getattr(x.dataset, "tensors", None)
        y = tensors[1] if tensors is not None and len(tensors) == 2 else None
    found = rows_of(y) if y is not None else None
    return next(iter(found.values())) if found and len(found) == 1 else None


def _dataset_tensors(data: Any) -> Any:
    """The inputs of a ``TensorDataset`` in a torch ``DataLoader``."""
    if hasattr(data, "dataset") and hasattr(data, "batch_sampler"):
        tensors = getattr(data.dataset, "tensors", None)
        if tensors:
            return tensors[0] if len(tensors) <= 2 else list(tensors[:-1])
        return None
    return data


def _array(tensor: Any) -> np.ndarray | None:
    if hasattr(tensor, "detach"):
        if getattr(tensor, "is_cuda", False):
            return None
        tensor = tensor.detach().numpy()
    if hasattr(tensor, "to_numpy"):
        tensor = tensor.to_numpy()
    if type(tensor).__module__.split(".")[0] == "tensorflow" and not hasattr(tensor, "numpy"):
        return None
    array = np.asarray(tensor)
    return array if array.dtype.kind in "biuf" else None


def compare(train: Rows, validation: Rows) -> dict[str, Any] | None:
    """Samples that stand in both; None when the two have different forms."""
    if set(train) != set(validation):
        return None
    if any(train[name].shape[1:] != validation[name].shape[1:] for name in train):
        return None
    size = sum(a.nbytes for a in (*train.values(), *validation.values()))
    rows = np.arange(len(next(iter(train.values()))))
    if size > LARGE_BYTES:
        first, second = _hashes(_thin(train)), _hashes(_thin(validation))
        keep_train = np.flatnonzero(np.isin(first, second))
        keep = np.flatnonzero(np.isin(second, first))
        repeats = len(first) - len(np.unique(first))
        if sum(a[:1].nbytes for a in train.values()) * (len(keep_train) + len(keep)) > size:
            hashes = (first, second)
            indices, twins = overlap(*hashes)
        else:
            indices, twins = overlap(
                _hashes({k: v[keep_train] for k, v in train.items()}),
                _hashes({k: v[keep] for k, v in validation.items()}),
            )
            indices, twins = keep[indices], keep_train[twins]
    else:
        first, second = _hashes(train), _hashes(validation)
        repeats = len(first) - len(np.unique(first))
        indices, twins = overlap(first, second)
    return {
        "train": len(rows),
        "validation": len(next(iter(validation.values()))),
        "shared": len(indices),
        "indices": [int(i) for i in indices[:TOLD]],
        "twins": [int(i) for i in twins[:TOLD]],
        "repeats": int(repeats),
        "all": (indices, twins),
    }


def agreeing_labels(pairs: Any, train: np.ndarray | None, other: np.ndarray | None) -> int | None:
    """How many of the shared samples have the same label."""
    if train is None or other is None or train.shape[1:] != other.shape[1:]:
        return None
    indices, twins = pairs
    same = train[twins] == other[indices]
    return int(same.reshape(len(indices), -1).all(axis=1).sum()) if len(indices) else 0


def _hashes(rows: Rows) -> NDArray[np.uint64]:
    total: NDArray[np.uint64] | None = None
    for name in sorted(rows):
        own = fingerprints(rows[name])
        total = own if total is None else total * np.uint64(0x9E3779B97F4A7C15) + own
    assert total is not None
    return total


def _thin(rows: Rows) -> Rows:
    thin: Rows = {}
    for name, array in rows.items():
        flat = array.reshape(len(array), -1)
        thin[name] = flat[:, :: max(1, flat.shape[1] // FEW_COLUMNS)]
    return thin
