"""Reads a recording: memory maps of what a run's samples went through."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.config import Config
from trema.core.errors import NotFound, UsageError
from trema.journal.folder import RunFolder, find_run
from trema.travel.record import files
from trema.travel.record.joined import joined_frame, joined_labels

Floats = NDArray[np.float32]
Maps = list[NDArray[Any]]

#: What the folder of a run with a recording holds.
RECORDED = f"{files.FOLDER}/recording.json"
#: How to get a recording, for those who have none.
HOW = (
    "record one with trema.watch(model, optimizer, travel=data), "
    "trema.keras.Watch(travel=data) or travel.import_checkpoints"
)


class Recording:
    """The representations of a run.

    ``epochs`` are the numbers of the frames (of epochs, or of steps where ``unit`` says so),
    ascending; every list below has one entry for each of them. ``splits`` are the names of the
    splits, *train* first where there is one. A split that is not named is the first; several are
    named with commas, as in ``"train,unlabelled"``, and are given as one, in that order, with
    labels of −1 for splits that have none. *unlabelled* has none, whatever its data set gave.
    """

    def __init__(self, folder: Path, about: dict[str, Any], epochs: list[int]) -> None:
        self.folder = folder
        self.about = about
        self.epochs = epochs
        names = list(about["splits"])
        self.splits: list[str] = sorted(names, key=lambda name: name != "train")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {self.about['splits'][name]}" for name in self.splits)
        return f"Recording({len(self.epochs)} {self.unit}s × {sizes})"

    @property
    def kind(self) -> Any:
        """*softmax*, *sigmoid* or *multilabel*."""
        return self.about["kind"]

    @property
    def unit(self) -> str:
        """What ``epochs`` counts: *epoch* or *step*."""
        return str(self.about["unit"])

    def representations(self, split: str | None = None) -> Maps:
        """Memory maps of shape (sample, D), float16 or float32."""
        return self._maps(split, 0)

    def logits(self, split: str | None = None) -> Maps:
        """Memory maps of shape (sample, output), float16 or float32."""
        return self._maps(split, 1)

    @property
    def heads(self) -> tuple[Floats, Floats]:
        """Weights of shape (epoch, output, D) and biases (epoch, output) of the last layer."""
        read = [_arrays(files.head_file(self.folder, number)) for number in self.epochs]
        try:
            return np.stack([h["weights"] for h in read]), np.stack([h["biases"] for h in read])
        except (KeyError, ValueError):
            raise UsageError(f"the heads in {self.folder} do not fit together") from None

    def basis(self, epoch: int) -> Floats | None:
        """Directions (kept, D) that were kept at this frame; None when nothing was left out."""
        return _arrays(files.head_file(self.folder, self.epochs[epoch])).get("basis")

    def labels(self, split: str | None = None) -> NDArray[np.int64] | None:
        """Labels (sample,), or (sample, label) of zeros and ones; None when there are none."""
        names = self.names(split)
        found = [None if n == files.POOL else self._samples(n).get("labels") for n in names]
        return found[0] if len(names) == 1 else joined_labels(found, self._sizes(names))

    def indices(self, split: str | None = None) -> NDArray[np.int64]:
        """Where each sample stands in the data that were given, of shape (sample,)."""
        return np.concatenate([self._samples(name)["indices"] for name in self.names(split)])

    def names(self, split: str | None = None) -> list[str]:
        """The splits that are meant, one or several.

        Raises
        ------
        UsageError
            When there is no such split, or one is named twice.
        """
        if split is None:
            return self.splits[:1]
        names = [name.strip() for name in split.split(",")]
        for name in names:
            if name not in self.splits:
                raise UsageError(
                    f"{self.folder} holds the splits {', '.join(self.splits)} but not {name!r}"
                )
        if len(set(names)) < len(names):
            raise UsageError(f"expected each split once but got {split!r}")
        return names

    def split_of(self, split: str | None = None) -> NDArray[np.str_]:
        """The name (sample,) of the split that each sample is of."""
        names = self.names(split)
        return np.repeat(names, self._sizes(names))

    def nonfinite(self, split: str | None = None) -> dict[int, int]:
        """Samples whose representation was not finite, counted by number of the frame."""
        frames = self.about["frames"]
        counts = dict.fromkeys(self.epochs, 0)
        for name in self.names(split):
            for number in self.epochs:
                bad = frames.get(str(number), {}).get("nonfinite", {}).get(name)
                counts[number] += int(bad["count"]) if bad else 0
        return {number: count for number, count in counts.items() if count}

    @property
    def seconds(self) -> float:
        """What the forward passes took, all frames together."""
        return float(sum(one["seconds"] for one in self.about["frames"].values()))

    def broken(self, split: str | None = None) -> list[int]:
        """Frames that no method can place: at most one sample is finite, or the head is not."""
        weights, biases = self.heads
        lost = self.nonfinite(split)
        size = sum(self._sizes(self.names(split)))
        return [
            number
            for at, number in enumerate(self.epochs)
            if size - lost.get(number, 0) < min(size, 2)
            or not (np.isfinite(weights[at]).all() and np.isfinite(biases[at]).all())
        ]

    def without(self, numbers: Collection[int]) -> Recording:
        """The same recording without these frames."""
        left = [number for number in self.epochs if number not in set(numbers)]
        return Recording(self.folder, self.about, left)

    def _sizes(self, names: list[str]) -> list[int]:
        return [int(self.about["splits"][name]) for name in names]

    def _samples(self, name: str) -> dict[str, NDArray[Any]]:
        return _arrays(self.folder / name / "samples.npz")

    def _maps(self, split: str | None, part: int) -> Maps:
        names = self.names(split)
        found = []
        for number in self.epochs:
            maps = [self._map(name, number, part) for name in names]
            whole = maps[0]
            if len(maps) > 1:
                whole = joined_frame(self.folder, names, number, part, maps)
            found.append(whole)
        return found

    def _map(self, name: str, number: int, part: int) -> NDArray[Any]:
        path = files.frame_files(self.folder, name, number)[part]
        size, width = self.about["splits"][name], self.about["outputs" if part else "stored"]
        try:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise _damaged(path) from None
        if array.shape != (size, width) or array.dtype.kind != "f":
            raise UsageError(
                f"{path} should hold numbers of shape ({size}, {width}) "
                f"but holds {array.dtype} of shape {array.shape}"
            )
        return array


def open_recording(run: str | os.PathLike[str] | RunFolder) -> Recording:
    """The recording of a run.

    run : the folder of a run, its folder ``travel``, or a run's name or id (``last`` is the newest
        with a recording)

    Raises
    ------
    RunNotFound
        When there is no such run.
    NotFound
        When nothing was recorded.
    UsageError
        When the recording cannot be read.
    """
    recording = open_folder(_folder(run))
    if not recording.epochs:
        raise NotFound(
            f"no whole epoch was recorded in {recording.folder}: let the training run longer"
        )
    return recording


def open_folder(folder: Path) -> Recording:
    """The recording in this folder ``travel``, perhaps without a frame yet.

    Raises
    ------
    UsageError
        When it cannot be read.
    """
    about = _about(folder)
    numbers = []
    for path in (folder / "heads").glob("*.npz"):
        if path.stem.isdecimal() and all(
            part.is_file()
            for name in about["splits"]
            for part in files.frame_files(folder, name, int(path.stem))
        ):
            numbers.append(int(path.stem))
    return Recording(folder, about, sorted(numbers))


def _folder(run: str | os.PathLike[str] | RunFolder) -> Path:
    path = run.path if isinstance(run, RunFolder) else Path(run)
    for folder in (path, path / files.FOLDER):
        if (folder / "recording.json").is_file():
            return folder
    if not isinstance(run, RunFolder) and not path.is_dir():
        found = find_run(Config.of().folder, os.fspath(run), having=RECORDED).path
        if (found / files.FOLDER / "recording.json").is_file():
            return found / files.FOLDER
        path = found
    raise NotFound(f"nothing was recorded in {path}: {HOW}")


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "recording.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(about, dict) or about.get("format") != files.FORMAT:
        raise UsageError(f"{path} was written by another version of Trema: record the run anew")
    splits, frames = about.get("splits"), about.get("frames")
    sizes = all(isinstance(about.get(name), int) for name in ("outputs", "width", "stored"))
    if not (isinstance(splits, dict) and splits and isinstance(frames, dict) and sizes):
        raise _damaged(path)
    for name in splits:
        files.checked_split(name)
    return about


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile):
        raise _damaged(path) from None


def _damaged(path: Path) -> UsageError:
    return UsageError(f"{path} is missing or damaged: delete its epoch, or record the run anew")
