"""The data beneath the loaders as a whole, else the first batches that pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from trema.core.beneath import arrays_beneath
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase
from trema.core.passing import Passing
from trema.core.sketching import Split, sketch
from trema.engine.session import Segment

#: Most bytes of a subset that is copied by its indices.
COPY_BYTES = 1 << 28


class Datasets:
    """Tells each split once: as soon as its loader is known, or after the first epoch."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        memory = segment.session.config.memory
        self._passing: dict[Phase, Passing | None] = {
            TRAIN: Passing(memory),
            VALIDATION: Passing(memory),
        }
        self._looked: dict[Phase, bool] = {TRAIN: False, VALIDATION: False}
        self._sampling: tuple[bool | None, bool] = (None, False)

    def see(
        self,
        phase: Phase,
        loader: DataLoader[Any] | None,
        inputs: dict[str, Tensor],
        target: Tensor | None,
        step: int,
    ) -> None:
        """A batch of a sampled step passed, drawn from this loader."""
        if loader is not None and not self._looked[phase]:
            self._looked[phase] = True
            split = split_of(loader)
            if phase == TRAIN:
                self._sampling = drawn(loader), weighs(loader)
            if split is not None:
                if split.source == "arrays":
                    self._passing[phase] = None
                self._tell(split, phase, step)
        passing = self._passing[phase]
        if passing is None:
            return
        if not passing.full:
            _keep(passing, inputs, target)
        if passing.full and phase == TRAIN:  # targets of validation data come after the inputs
            self._tell_passing(phase, step)

    def label(self, target: Tensor) -> None:
        """The targets of the batch of validation data that passed last."""
        passing = self._passing[VALIDATION]
        array = as_array(target)
        if passing is not None and array is not None:
            passing.label(array)

    def end_epoch(self, step: int, *, judged: bool) -> None:
        """The first epoch is over; validation counts when a loss was computed on it."""
        self._tell_passing(TRAIN, step)
        if judged:
            self._tell_passing(VALIDATION, step)

    def _tell_passing(self, phase: Phase, step: int) -> None:
        passing, self._passing[phase] = self._passing[phase], None
        if passing is None:
            return
        shuffled, weighted = self._sampling if phase == TRAIN else (None, False)
        split = passing.split(shuffled=shuffled, weighted=weighted)
        if split is not None:
            self._tell(split, phase, step)

    def _tell(self, split: Split, phase: Phase, step: int) -> None:
        self.segment.observe(
            Observation(
                fact=Fact.DATASET,
                step=step,
                epoch=self.segment.history.epoch,
                data=sketch(split, phase).as_dict(),
                segment=self.segment.number,
            )
        )


def split_of(loader: DataLoader[Any]) -> Split | None:
    """The arrays beneath a loader, without running the data set's own code; else None."""
    found = _arrays(loader.dataset)
    if found is None:
        return None
    inputs, targets, whole = found
    custom = loader.collate_fn is not torch.utils.data.default_collate
    return Split(
        inputs=inputs,
        targets=targets,
        source="arrays" if whole and not custom else "beneath",
        shuffled=drawn(loader),
        weighted=weighs(loader),
    )


def _arrays(dataset: Any) -> tuple[dict[str, np.ndarray], np.ndarray | None, bool] | None:
    """Inputs, targets, and whether the samples are just these rows."""
    if isinstance(dataset, Subset):
        inner = _arrays(dataset.dataset)
        if inner is None:
            return None
        inputs, targets, whole = inner
        index = np.asarray(dataset.indices)
        row = sum(array[:1].nbytes for array in inputs.values())
        if row * len(index) > COPY_BYTES or not len(index):
            return None
        chosen = None if targets is None else targets[index]
        return {name: array[index] for name, array in inputs.items()}, chosen, whole
    if isinstance(dataset, TensorDataset):
        tensors = [as_array(tensor) for tensor in dataset.tensors]
        known = [array for array in tensors if array is not None]
        if not known or len(known) < len(tensors) or known[0].ndim < 2:
            return None
        given, targets = (known[:-1], known[-1]) if len(known) > 1 else (known, None)
        names = [""] if len(given) == 1 else [str(i) for i in range(len(given))]
        return dict(zip(names, given, strict=True)), targets, True
    if isinstance(dataset, IterableDataset) or not hasattr(type(dataset), "__len__"):
        return None
    pair = arrays_beneath(dataset, as_array, len(dataset))
    return None if pair is None else ({"": pair[0]}, pair[1], False)


def as_array(value: Any) -> np.ndarray | None:
    """A numeric array of a tensor or array in memory, without a copy; else None."""
    if isinstance(value, Tensor):
        if value.device.type != "cpu" or value.dtype == torch.bfloat16 or value.is_sparse:
            return None
        value = value.detach().numpy()
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else None


def drawn(loader: DataLoader[Any]) -> bool | None:
    """Whether a loader draws in random order, by the kind of its samplers."""
    if type(loader.batch_sampler) is not BatchSampler:
        return None
    if type(loader.sampler) is SequentialSampler:
        return False
    return True if isinstance(loader.sampler, RandomSampler | WeightedRandomSampler) else None


def weighs(loader: DataLoader[Any]) -> bool:
    """Whether samples are drawn by weight."""
    return isinstance(loader.sampler, WeightedRandomSampler)


def _keep(passing: Passing, inputs: dict[str, Tensor], target: Tensor | None) -> None:
    arrays = {name: as_array(tensor) for name, tensor in inputs.items()}
    known = {n: a for n, a in arrays.items() if a is not None and a.ndim >= 2}
    if not known or len(known) < len(arrays):
        return  # on an accelerator, or no batch of samples
    passing.add(known, None if target is None else as_array(target))
