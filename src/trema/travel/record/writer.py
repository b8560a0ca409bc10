"""Writes a recording, frame by frame, inside somebody's training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.version import __version__
from trema.travel.record import files
from trema.travel.record.compress import basis_of, folded
from trema.travel.record.head import Head, Refused, called
from trema.travel.record.options import RecordOptions
from trema.travel.record.reader import open_folder
from trema.travel.record.rows import Rows
from trema.travel.record.schedule import Schedule, thinned

#: Samples that are not finite are named up to this many a frame; all are counted.
_NAMED = 1000


@dataclass(frozen=True)
class Samples:
    """The fixed samples of a split: ``indices`` (sample,) into the user's data, ``labels``
    (sample,) or (sample, label), None where there are none."""

    indices: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Frame:
    """What one split gave at one time."""

    representations: Rows
    logits: Rows


class Recorder:
    """A recording that grows.

    Parameters
    ----------
    folder : the folder ``travel`` of a run
    splits : by name
    layer : the head's name
    later : the linear layer that runs last where another one was named as the head
    kind, signed : see :func:`trema.travel.record.head.meaning_of`
    """

    def __init__(
        self,
        folder: Path,
        splits: Mapping[str, Samples],
        *,
        layer: str,
        kind: str,
        width: int,
        outputs: int,
        signed: bool = False,
        later: str | None = None,
        options: RecordOptions | None = None,
    ) -> None:
        self.folder = folder
        self.options = options or RecordOptions()
        self._later = later
        self.schedule = Schedule(self.options.schedule)
        self._splits = dict(splits)
        self._numbers: list[int] = []  # that were ever recorded
        self._kept: list[int] = []  # places among them that are on the disk
        self._stride = 1  # of the places that are kept
        self._sizes: dict[int, int] = {}  # bytes of a frame, by number
        self._basis: NDArray[np.float32] | None = None
        compress = self.options.compress
        self._stored = width if compress is None else min(compress, width)
        if self._stored < min(width, outputs + 1):
            raise Refused(
                f"compress={compress} keeps fewer directions than the {outputs} outputs of the "
                f"head need: give at least {outputs + 1}"
            )
        self._about: dict[str, Any] = {
            "format": files.FORMAT,
            "trema": __version__,
            "layer": layer,
            "kind": kind,
            "outputs": outputs,
            "signed": signed,
            "width": width,
            "stored": self._stored,
            "schedule": self.options.schedule,
            "unit": self.schedule.unit,
            "splits": {name: len(split.indices) for name, split in self._splits.items()},
            "frames": {},
        }
        if self.frame_bytes * 2 > self.options.budget:
            raise Refused(
                f"one epoch takes {told(self.frame_bytes)}, and the first and the last do not fit "
                f"into the budget of {told(self.options.budget)}: give travel_options a larger "
                "budget, fewer samples, or compress=50"
            )
        files.remove_parts(folder)
        self._go_on()
        for name, split in self._splits.items():
            arrays = {"indices": split.indices}
            if split.labels is not None:
                arrays["labels"] = split.labels
            files.write_arrays(folder / name / "samples.npz", arrays)
        self._tell()

    def _go_on(self) -> None:
        """Continue what an earlier training of the same run recorded."""
        if not (self.folder / "recording.json").is_file():
            return
        known = open_folder(self.folder)
        same = ("kind", "outputs", "width", "stored", "unit", "splits")
        if any(known.about.get(key) != self._about[key] for key in same) or any(
            not np.array_equal(known.indices(name), split.indices)
            for name, split in self._splits.items()
        ):
            raise Refused(
                "the run holds a recording of other samples or another network: time travel "
                "follows the first training of a run"
            )
        self._about["frames"] = known.about["frames"]
        self._numbers = list(known.epochs)
        self._kept = list(range(len(self._numbers)))
        self._sizes = dict.fromkeys(self._numbers, self.frame_bytes)
        if self._numbers:
            self._basis = known.basis(-1)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in float16."""
        samples = sum(len(split.indices) for split in self._splits.values())
        outputs = int(self._about["outputs"])
        return samples * (self._stored + outputs) * 2 + outputs * (self._stored + 1) * 4

    def announcement(self, planned: int | None = None) -> str:
        """What will be on the disk, in a line; ``planned`` frames when that is known."""
        sizes = ", ".join(f"{n:,} {name}" for name, n in self._about["splits"].items())
        room = self.options.budget // self.frame_bytes
        by_epoch = self.schedule.unit == "epoch"
        per, units = ("an epoch", "epochs") if by_epoch else ("a frame", "frames")
        if planned is None:
            whole = f"{units} are thinned out beyond {told(self.options.budget)}"
        elif planned <= room:
            whole = f"{told(planned * self.frame_bytes)} for {planned} of them"
        else:
            whole = f"thinned to {room} of {planned} frames in {told(self.options.budget)}"
        read = "; labels −1 and 1 are read as classes 0 and 1" if self._about["signed"] else ""
        if self._later is not None:
            read += f"; the head is {called(self._about['layer'])} as named, not `{self._later}`, "
            read += "the last linear layer that runs"
        return (
            f"time travel records {sizes} samples × {self._stored} numbers at "
            f"{called(self._about['layer'])}: {told(self.frame_bytes)} {per}, {whole}{read}"
        )

    @property
    def recorded(self) -> list[int]:
        """Numbers of the frames that are on the disk."""
        return [self._numbers[at] for at in self._kept]

    @property
    def nonfinite(self) -> dict[int, int]:
        """How many samples of all splits are not finite, by number of the frames that have such."""
        frames = self._about["frames"]
        counts = {
            number: sum(bad["count"] for bad in frames[str(number)]["nonfinite"].values())
            for number in self.recorded
        }
        return {number: count for number, count in counts.items() if count}

    def next_number(self, wanted: int) -> int:
        """The number of a new frame: a second training in the same run goes on counting."""
        return wanted if not self._numbers else max(wanted, self._numbers[-1] + 1)

    def add(self, number: int, frames: Mapping[str, Frame], head: Head, seconds: float) -> None:
        """Write a frame; ``seconds`` is what its forward passes took."""
        if self.options.compress is not None:
            head, frames = self._compressed(head, frames)
        size, bad = 0, {}
        for name, frame in frames.items():
            places = files.frame_files(self.folder, name, number)
            for path, rows in zip(places, (frame.representations, frame.logits), strict=True):
                files.write_array(path, rows.array)
                size += rows.array.nbytes
            nonfinite = frame.representations.nonfinite
            if len(nonfinite):
                bad[name] = {"count": len(nonfinite), "samples": nonfinite[:_NAMED].tolist()}
        arrays = {"weights": head.weights, "biases": head.biases}
        if head.basis is not None:
            arrays["basis"] = head.basis
        files.write_arrays(files.head_file(self.folder, number), arrays)
        self._numbers.append(number)
        self._kept.append(len(self._numbers) - 1)
        self._sizes[number] = size + head.weights.nbytes
        self._about["frames"][str(number)] = {"seconds": round(seconds, 4), "nonfinite": bad}
        self._thin()
        self._tell()

    @property
    def seconds(self) -> float:
        """What all forward passes took."""
        return float(sum(one["seconds"] for one in self._about["frames"].values()))

    def _compressed(self, head: Head, frames: Mapping[str, Frame]) -> tuple[Head, dict[str, Frame]]:
        """All splits in the basis of the first, which is the training data where it is given."""
        first = next(iter(frames.values())).representations.array
        self._basis = basis = basis_of(first, head, self._stored, self._basis)
        kept = {}
        for name, frame in frames.items():
            given = frame.representations.array
            rows = Rows(len(given))
            for at in range(0, len(given), 8192):
                rows.add(given[at : at + 8192].astype(np.float32) @ basis.T)
            kept[name] = Frame(rows, frame.logits)
        return folded(head, basis), kept

    def _thin(self) -> None:
        """Remove whole frames until what is left fits into the budget."""
        room = len(self._kept)
        while True:
            kept, self._stride = thinned(self._kept, room, self._stride)
            for at in sorted(set(self._kept) - set(kept)):
                self._remove(self._numbers[at])
            self._kept = kept
            if len(kept) <= 2 or self._size() <= self.options.budget:
                return
            room = len(kept) - 1

    def _size(self) -> int:
        return sum(self._sizes[number] for number in self.recorded)

    def _remove(self, number: int) -> None:
        files.head_file(self.folder, number).unlink(missing_ok=True)
        for name in self._splits:
            for path in files.frame_files(self.folder, name, number):
                path.unlink(missing_ok=True)

    def _tell(self) -> None:
        files.write_text(self.folder / "recording.json", json.dumps(self._about, indent=1))


def told(size: float) -> str:
    """Bytes in words: ``51.2 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
