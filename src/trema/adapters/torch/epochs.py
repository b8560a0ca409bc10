"""Epochs of a raw loop: losses of both phases, and samples that stand in both splits.

An epoch ends when the training loader is exhausted; validation that follows still belongs to it,
so the epoch is handed on when the next training step begins. A loop without a loader has an
epoch from one validation pass to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from trema.adapters.torch import patches
from trema.adapters.torch.datasets import Datasets
from trema.core.facts import TRAIN, VALIDATION, Fact, Observation, Phase
from trema.core.samples import fingerprints, overlap
from trema.engine.session import Segment

#: Most bytes of a data set that is fingerprinted whole.
WHOLE_BYTES = 1 << 30
#: Most samples remembered of a stream of batches: 8 bytes each.
STREAM_SAMPLES = 1 << 21


class Mean:
    """A running mean of numbers, or of scalars that stay on their device."""

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.total: float | Tensor = 0.0
        self.count = 0

    def add(self, value: float | Tensor) -> None:
        """Count one value."""
        self.total = self.total + value
        self.count += 1

    def value(self) -> float | None:
        """The mean; None of nothing."""
        return float(self.total) / self.count if self.count else None


class Epochs:
    """Sums over an epoch, and the overlap of the splits."""

    def __init__(self, segment: Segment, locate: Callable[[], None] = lambda: None) -> None:
        self.segment = segment
        self._datasets = Datasets(segment)
        self._placed: set[Phase] = set()  # phases whose loaders have their lines
        self._locate = locate  # called when the validation data are known
        self.epoch = 0
        self.train_loader: DataLoader[Any] | None = None
        self.validation_loaders: list[DataLoader[Any]] = []  # iterated without gradients
        self._latest: DataLoader[Any] | None = None
        self.begins = False  # the next training step begins an epoch
        self._ending = False  # … once the batch that was read ahead is used
        self._train, self._validation, self._backward = Mean(), Mean(), Mean()
        self._extra: dict[str, dict[str, float]] = {TRAIN: {}, VALIDATION: {}}
        self._stepped = False
        self._last_step = 0
        self._overlap_told = False
        self._streams: dict[bool, list[np.ndarray]] = {True: [], False: []}
        self._streamed = {True: 0, False: 0}

    # losses -------------------------------------------------------------------------------

    def see_loss(self, value: float | Tensor, training: bool) -> None:
        """A loss function gave this mean over a batch."""
        if training:
            self._train.add(value)
            return
        self._validation.add(value)
        if self.train_loader is None and self._stepped:
            self.begins = True

    def see_backward(self, value: float | Tensor, *, same: bool = False) -> None:
        """``backward`` ran on this loss; ``same`` when a loss function just gave it."""
        # written out: this runs in every step, and calls cost more than sums
        mean = self._backward
        mean.total, mean.count = mean.total + value, mean.count + 1
        if same:
            mean = self._train
            mean.total, mean.count = mean.total + value, mean.count + 1

    def stepped(self, step: int) -> None:
        """The optimizer made a step."""
        self._stepped = True
        self._last_step = step
        latest = self._latest
        if latest is None or latest is self.train_loader:
            return
        # validation in the midst of an epoch does not make its loader the training one
        if self.train_loader is None or latest not in self.validation_loaders:
            self.train_loader = latest

    def log(self, phase: str, values: dict[str, float]) -> None:
        """Metrics that the user gave for this epoch."""
        self._extra[phase].update(values)

    # loaders ------------------------------------------------------------------------------

    def loader_begins(self, loader: DataLoader[Any]) -> None:
        """Somebody iterates a loader; whether it trains is known when a step follows."""
        self._latest = loader
        if self._ending:
            self.begins, self._ending = True, False

    def loader_ends(self, loader: DataLoader[Any]) -> None:
        """A loader is exhausted: the training one ends the epoch."""
        if loader is self.train_loader and self._stepped:
            ahead = loader in patches.looking_ahead
            self.begins, self._ending = self.begins or not ahead, ahead
        elif loader is self._latest and loader in self.validation_loaders:
            self._latest = self.train_loader  # what was interrupted goes on

    def validated(self) -> None:
        """The model ran without gradients: the loader in use holds validation data."""
        loader = self._latest
        if loader is None or loader is self.train_loader or loader in self.validation_loaders:
            return
        if len(self.validation_loaders) < 8:
            self.validation_loaders.append(loader)

    @property
    def validation_loader(self) -> DataLoader[Any] | None:
        """The first loader of data that are not the training set itself."""
        dataset = self.train_loader.dataset if self.train_loader is not None else None
        others = [v for v in self.validation_loaders if v.dataset is not dataset]
        return others[0] if others else None

    def flush(self) -> None:
        """Hand the epoch on."""
        self.begins = False
        train, backward, seen = (m.value() for m in (self._train, self._backward, self._validation))
        if train is backward is seen is None and not any(self._extra.values()):
            return
        # a loss that is not a function of torch can be compared with nothing
        same = self._train.count > 0 and self._train.count == self._backward.count
        mean = train if same else backward
        train_values = dict(self._extra[TRAIN])
        if mean is not None:
            train_values.setdefault("loss", mean)
        validation_values = dict(self._extra[VALIDATION])
        if seen is not None and (same or mean is None):
            validation_values.setdefault("loss", seen)
        self.tell_overlap()
        self._datasets.end_epoch(self._last_step, judged=self._validation.count > 0)
        if train_values:
            self.segment.metrics(self.epoch, TRAIN, train_values, step=self._last_step)
        if validation_values:
            self.segment.metrics(self.epoch, VALIDATION, validation_values, step=self._last_step)
        self.segment.end_epoch(self.epoch)
        self.epoch += 1
        self._stepped = False
        self._train, self._validation, self._backward = Mean(), Mean(), Mean()
        self._extra = {TRAIN: {}, VALIDATION: {}}

    def close(self) -> None:
        """The run is over: an epoch that has begun counts."""
        self.flush()
        self.segment.close()

    # overlap ------------------------------------------------------------------------------

    def wants_hashes(self, training: bool) -> bool:
        """Whether batches of this phase are still to be fingerprinted as they pass."""
        if self._overlap_told or self.epoch > 0:
            return False
        if self.train_loader is not None and whole(self.train_loader.dataset) is not None:
            return False
        return self._streamed[training] < STREAM_SAMPLES

    def see_batch(
        self, phase: Phase, inputs: dict[str, Tensor], target: Tensor | None, step: int
    ) -> None:
        """A batch of a sampled step, from which the data as a whole can be known."""
        loader = self.train_loader if phase == TRAIN else self.validation_loader
        if (
            phase == VALIDATION
            and self._latest is not loader
            and (loader is not None or (self.train_loader is not None and not self.begins))
        ):
            return  # a look at the training data, or at a second validation set
        if loader is not None and phase not in self._placed:
            self._placed.add(phase)
            self._locate()
        self._datasets.see(phase, loader, inputs, target, step)

    def label_batch(self, target: Any) -> None:
        """The targets of the validation batch seen last."""
        if isinstance(target, Tensor):
            self._datasets.label(target)

    def see_inputs(self, inputs: dict[str, Tensor], training: bool) -> None:
        """Fingerprint a batch as it passes, where the data sets cannot be read whole."""
        if not self.wants_hashes(training) or len(inputs) != 1:
            return
        x = next(iter(inputs.values()))
        if x.ndim < 2 or x.is_cuda:
            return
        hashes = fingerprints(
            x.detach().numpy() if x.dtype != torch.bfloat16 else x.float().numpy()
        )
        self._streams[training].append(hashes)
        self._streamed[training] += len(hashes)

    def tell_overlap(self) -> None:
        """Compare the splits once both are known."""
        if self._overlap_told:
            return
        data = self._whole_overlap() or self._streamed_overlap()
        if data is None:
            return
        self._overlap_told = True
        self._locate()
        self._streams = {True: [], False: []}
        self.segment.observe(
            Observation(
                fact=Fact.OVERLAP,
                step=self._last_step,
                epoch=self.epoch,
                data=data,
                segment=self.segment.number,
            )
        )

    def _whole_overlap(self) -> dict[str, Any] | None:
        """The least overlap of any validation loader: evaluating on training data beside a
        clean validation set is no fault."""
        if self.train_loader is None:
            return None
        train = whole(self.train_loader.dataset)
        if train is None:
            return None
        found = []
        for loader in self.validation_loaders:
            validation = whole(loader.dataset)
            if loader.dataset is self.train_loader.dataset or validation is None:
                continue
            found.append(_compare_labelled(train, validation))
        return min(found, key=lambda one: one["shared"] / max(1, one["validation"]), default=None)

    def _streamed_overlap(self) -> dict[str, Any] | None:
        """What batches that passed tell; only what is certain.

        Augmented or unseen training batches could hide a twin, so no overlap is no evidence.
        Running over the training set without gradients measures training accuracy: overlap
        counts when every validation sample, and not nearly every training sample, is shared.
        """
        if not self._streams[True] or not self._streams[False]:
            return None
        train = np.unique(np.concatenate(self._streams[True]))
        validation = np.unique(np.concatenate(self._streams[False]))
        found = _compare(train, validation)
        judged = self._validation.count > 0  # a pass without a loss may just look at samples
        certain = judged and len(validation) == found["shared"] < 0.8 * len(train)
        del found["_indices"], found["_twins"]
        return {**found, "indices": [], "twins": []} if certain else None


def _compare_labelled(
    train: tuple[np.ndarray, np.ndarray | None], validation: tuple[np.ndarray, np.ndarray | None]
) -> dict[str, Any]:
    found = _compare(fingerprints(train[0]), fingerprints(validation[0]))
    indices, twins = found.pop("_indices"), found.pop("_twins")
    if train[1] is not None and validation[1] is not None and len(indices):
        agree = np.asarray(train[1][twins]) == np.asarray(validation[1][indices])
        found["labels_agree"] = int(np.reshape(agree, (len(indices), -1)).all(axis=1).sum())
    return found


def _compare(train: np.ndarray, validation: np.ndarray) -> dict[str, Any]:
    indices, twins = overlap(train, validation)
    return {
        "train": len(train),
        "validation": len(validation),
        "shared": len(indices),
        "indices": indices[:100].tolist(),
        "twins": twins[:100].tolist(),
        "labels_agree": None,
        "_indices": indices,
        "_twins": twins,
    }


def whole(dataset: Dataset[Any] | Any) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Inputs (sample, …) and targets of a data set of tensors, without copying; else None."""
    if isinstance(dataset, Subset):
        inner = whole(dataset.dataset)
        if inner is None:
            return None
        index = np.asarray(dataset.indices)
        return inner[0][index], None if inner[1] is None else inner[1][index]
    if not isinstance(dataset, TensorDataset):
        return None
    tensors = [t for t in dataset.tensors if isinstance(t, Tensor)]
    if not tensors or tensors[0].is_cuda or tensors[0].ndim < 2:
        return None
    x = tensors[0].detach()
    if x.numel() * x.element_size() > WHOLE_BYTES or x.dtype == torch.bfloat16:
        return None
    y = tensors[1].detach().numpy() if len(tensors) > 1 and not tensors[1].is_cuda else None
    return x.numpy(), y
