"""``trema travel``: movies of recorded runs, kept in the run's folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.cli.folders import root_folder
from trema.core.errors import NotFound, UsageError
from trema.core.numbers import dumps
from trema.core.text import harmless
from trema.journal.folder import find_run
from trema.travel.abnormality import Scores, discovery_rate
from trema.travel.heads import predicted
from trema.travel.movie import Movie, build, load
from trema.travel.record.reader import Recording, open_recording

#: Methods whose movies take one more epoch without touching those before.
_GROWING = ("trema", "pca")


@dataclass(frozen=True)
class Wanted:
    """Which movie a command means."""

    run: str
    dir: Path | None
    method: str
    split: str | None
    seed: int


@dataclass(frozen=True)
class Opened:
    """A recording without the frames that cannot be placed, and its movie."""

    recording: Recording
    movie: Movie
    split: str
    folder: Path

    @property
    def logits(self) -> list[NDArray[Any]]:
        """Logits of the movie's samples, by epoch."""
        return self.recording.logits(self.split)

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Where the samples stand in the user's data."""
        return self.recording.indices(self.split)

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """Labels of the movie's samples."""
        return self.recording.labels(self.split)

    @cached_property
    def predictions(self) -> NDArray[np.int64]:
        """The classes (sample,) predicted last."""
        return predicted(self.logits[-1], self.recording.kind)


def recording_of(wanted: Wanted) -> Recording:
    """The recording that is meant, without frames that no method can place, which are named."""
    path = Path(wanted.run)
    if any((folder / "recording.json").is_file() for folder in (path, path / "travel")):
        recording = open_recording(path)
    else:
        recording = open_recording(find_run(root_folder(wanted.dir), wanted.run))
    broken = recording.broken(wanted.split)
    if broken:
        listed = ", ".join(map(str, broken[:10])) + ("…" if len(broken) > 10 else "")
        _aside(f"left out, since nothing is finite there: {recording.unit} {listed}")
        recording = recording.without(broken)
        if not recording.epochs:
            raise NotFound(f"every frame in {recording.folder} is broken: the training diverged")
    return recording


def open_movie(
    wanted: Wanted, *, device: str = "auto", options: Sequence[str] = (), anew: bool = False
) -> Opened:
    """The movie of a run: the one that is kept, brought up to the recording, or a new one."""
    recording = recording_of(wanted)
    split = wanted.split or recording.splits[0]
    name = wanted.method if split == recording.splits[0] else f"{wanted.method}-{split}"
    folder = recording.folder / "movies" / name
    frames, heads = recording.representations(split), recording.heads
    movie = None
    if not anew:
        movie = _kept(folder, recording, frames, wanted)
    if movie is None or movie.epochs != recording.epochs:
        show = sys.stdout.isatty()
        if movie is not None and _grows(movie, recording):
            movie = _grown(movie, recording, split)
        else:
            movie = build(
                frames,
                recording.labels(split),
                heads,
                wanted.method,
                wanted.seed,
                show,
                kind=recording.kind,
                epochs=recording.epochs,
                device=device,
                folder=recording.folder / "movies" / "parts",
                **_options(options),
            )
        movie.save(folder)
    return Opened(recording, movie, split, folder)


def _kept(
    folder: Path, recording: Recording, frames: list[NDArray[Any]], wanted: Wanted
) -> Movie | None:
    """The movie in a folder, with as many of the frames as it was made of."""
    try:
        known = json.loads((folder / "movie.json").read_text(encoding="utf-8"))["epochs"]
        if known != recording.epochs[: len(known)]:
            return None  # frames were thinned out since
        weights, biases = recording.heads
        count = len(known)
        movie = load(folder, frames[:count], (weights[:count], biases[:count]), kind=recording.kind)
    except (OSError, ValueError, KeyError, TypeError, NotFound):
        return None
    return movie if movie.seed == wanted.seed else None


def _grows(movie: Movie, recording: Recording) -> bool:
    return movie.method in _GROWING and len(movie.epochs) < len(recording.epochs)


def _grown(movie: Movie, recording: Recording, split: str) -> Movie:
    """The movie with the epochs that were recorded since."""
    weights, biases = recording.heads
    frames = recording.representations(split)
    for at in range(len(movie.epochs), len(recording.epochs)):
        movie = movie.extended(frames[at], (weights[at], biases[at]))
    movie.epochs = list(recording.epochs)
    return movie


def _options(given: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` as arguments of a method: numbers, true and false, else words."""
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"expected --option NAME=VALUE but got {one!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def build_movie(
    wanted: Wanted, *, device: str, options: Sequence[str], anew: bool, as_json: bool
) -> None:
    """Build a movie and say where it is."""
    opened = open_movie(wanted, device=device, options=options, anew=anew or bool(options))
    movie, recording = opened.movie, opened.recording
    epochs, samples, _ = movie.positions.shape
    lost = len(movie.excluded)
    if as_json:
        about = {
            "method": movie.method,
            "split": opened.split,
            "epochs": movie.epochs,
            "unit": recording.unit,
            "samples": samples,
            "excluded": lost,
            "folder": str(opened.folder),
        }
        print(dumps(about, indent=2))
        return
    print(
        f"{movie.method}: {epochs} {recording.unit}s × {samples:,} {opened.split} samples "
        f"in {harmless(opened.folder)}"
    )
    if lost:
        print(f"{lost:,} representations are not finite and have no place")


def measure_movie(
    wanted: Wanted, *, k: int, queries: int, unseen: str | None, as_json: bool
) -> None:
    """Print the measures of a movie."""
    from trema.travel import quality

    opened = open_movie(wanted)
    asked = None if unseen is None else opened.recording.representations(unseen)
    found = quality(
        opened.movie,
        k,
        queries=queries,
        unseen=asked,
        seed=wanted.seed,
        folder=opened.recording.folder / "movies" / "parts",
        progress=sys.stdout.isatty() and not as_json,
    )
    print(dumps(found.to_dict(), indent=2) if as_json else found)


def list_anomalies(wanted: Wanted, *, threshold: float, count: int, as_json: bool) -> None:
    """Print the most abnormal samples."""
    from trema.travel import anomalies

    opened = open_movie(wanted)
    found = anomalies(opened.movie, opened.logits, threshold).seen
    scores = np.nan_to_num(found.scores, nan=-1.0)
    order = np.argsort(-scores, kind="stable")[: min(count, int((scores >= 0).sum()))]
    rows = []
    for place in order.tolist():
        features = {name: float(values[place]) for name, values in found.by_feature.items()}
        rows.append(
            {
                **told(opened, place),
                "score": float(found.scores[place]),
                "flagged": bool(found.flags[place]),
                "features": features,
            }
        )
    if as_json:
        about = {
            "threshold": threshold,
            "above": int((scores > threshold).sum()),
            "flagged": opened.indices[found.flags].tolist(),
            "excluded": opened.indices[found.excluded].tolist(),
            "samples": rows,
        }
        print(dumps(about, indent=2))
        return
    print(_flags(found, threshold))
    for row in rows:
        most = max(row["features"], key=lambda name: row["features"][name])
        mark = "!" if row["flagged"] else " "
        print(f"{mark} {row['score']:.4f}  {line(row)}, most by its {most}")


def _flags(found: Scores, threshold: float) -> str:
    """How many samples are flagged, and why so many."""
    flagged, above = int(found.flags.sum()), int((found.scores > threshold).sum())
    text = (
        f"{flagged:,} of {len(found.scores):,} samples are flagged: "
        f"{above:,} score above {threshold:g}"
    )
    if flagged == above:
        return text
    return (
        f"{text}, {flagged - above:,} more since so many stand out "
        f"(about {discovery_rate(threshold):.2g} of the flags may be false)"
    )


def told(opened: Opened, place: int) -> dict[str, Any]:
    """What identifies a sample to its user; several labels are told by their numbers."""
    labels, guess = opened.labels, int(opened.predictions[place])
    label: Any = None if labels is None else np.asarray(labels[place])
    several = opened.recording.kind == "multilabel"
    if label is not None:
        label = np.flatnonzero(label > 0).tolist() if several else label.item()
    return {
        "sample": int(opened.indices[place]),
        "label": label,
        "predicted": [bit for bit in range(62) if guess >> bit & 1] if several else guess,
    }


def line(row: dict[str, Any]) -> str:
    """A sample in words."""
    label = "without a label" if row["label"] is None else f"labelled {row['label']}"
    return f"sample {row['sample']:>6} {label}, predicted {row['predicted']}"


def _aside(text: str) -> None:
    print(f"trema: {harmless(text)}", file=sys.stderr)
