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
from trema.cli.travel_options import in_words, keep_options, kept_options, options_of
from trema.core.errors import NotFound
from trema.core.numbers import dumps
from trema.core.text import harmless
from trema.journal.folder import find_run
from trema.travel.heads import predicted
from trema.travel.movie import Movie, build, load
from trema.travel.record.reader import RECORDED, Recording, open_recording


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
    """A recording without the frames that cannot be placed, and its movie.

    ``split`` is what is looked at, one or several with commas between them.
    """

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
    def splits(self) -> NDArray[np.str_] | None:
        """The split of each sample; None where there is only one."""
        several = len(self.recording.names(self.split)) > 1
        return self.recording.split_of(self.split) if several else None

    def named(self, places: Sequence[int] | NDArray[np.int64]) -> list[int | str]:
        """Samples as their user knows them: 12, or ``unlabelled:12`` among several splits."""
        found: list[int] = self.indices[list(places)].tolist()
        if self.splits is None:
            return [*found]
        return [f"{self.splits[at]}:{index}" for at, index in zip(places, found, strict=True)]

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
        root = root_folder(wanted.dir)
        run = find_run(root, wanted.run, having=RECORDED)
        if wanted.run == "last" and run != find_run(root, "last"):
            aside(f"the newest run has no recording; the newest that has one is {run.name}")
        recording = open_recording(run)
    broken = recording.broken(wanted.split)
    if broken:
        listed = ", ".join(map(str, broken[:10])) + ("…" if len(broken) > 10 else "")
        aside(f"left out, since no two samples are finite there: {recording.unit} {listed}")
        recording = recording.without(broken)
        if not recording.epochs:
            raise NotFound(f"every frame in {recording.folder} is broken: the training diverged")
    return recording


def open_movie(
    wanted: Wanted,
    *,
    device: str = "auto",
    options: Sequence[str] | None = None,
    anew: bool = False,
) -> Opened:
    """The movie of a run: the one that is kept, brought up to the recording, or a new one.

    ``options`` of the method, as ``NAME=VALUE``: a movie that was made with others is made anew;
    without them (None) the one that is kept is taken, and what it was made with is said.
    """
    given = None if options is None else options_of(wanted.method, options)
    recording = recording_of(wanted)
    names = recording.names(wanted.split)
    split, slug = ",".join(names), "+".join(names)
    folder = recording.folder / "movies" / _folder_name(wanted.method, slug, recording)
    frames, heads = recording.representations(split), recording.heads
    movie, kept = None, dict[str, Any]()
    if not anew and (movie := _kept(folder, recording, frames, wanted)) is not None:
        kept = kept_options(folder)
        if given is not None and given != kept:
            aside(f"the kept movie was made with {in_words(kept)}: it is made anew")
            movie = None
        elif given is None and kept:
            aside(f"the movie was made with {in_words(kept)}")
    if movie is None or movie.epochs != recording.epochs:
        made_with = kept if given is None else given
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
                **made_with,
            )
        movie.save(folder)
        keep_options(folder, made_with)
    return Opened(recording, movie, split, folder)


def _folder_name(method: str, slug: str, recording: Recording) -> str:
    return method if slug == recording.splits[0] else f"{method}-{slug}"


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
    """Whether the method takes one more epoch without touching those before."""
    return hasattr(movie.projector, "extended") and len(movie.epochs) < len(recording.epochs)


def _grown(movie: Movie, recording: Recording, split: str) -> Movie:
    """The movie with the epochs that were recorded since."""
    weights, biases = recording.heads
    frames = recording.representations(split)
    for at in range(len(movie.epochs), len(recording.epochs)):
        movie = movie.extended(frames[at], (weights[at], biases[at]))
    movie.epochs = list(recording.epochs)
    return movie


def build_movie(
    wanted: Wanted, *, device: str, options: Sequence[str], anew: bool, as_json: bool
) -> None:
    """Build a movie and say where it is."""
    opened = open_movie(wanted, device=device, options=options, anew=anew)
    movie, recording = opened.movie, opened.recording
    epochs, samples, _ = movie.positions.shape
    lost = movie.excluded
    if as_json:
        about = {
            "method": movie.method,
            "split": opened.split,
            "epochs": movie.epochs,
            "unit": recording.unit,
            "samples": samples,
            "excluded": len(lost),
            "folder": str(opened.folder),
        }
        print(dumps(about, indent=2))
        return
    print(
        f"{movie.method}: {epochs} {recording.unit}s × {samples:,} {opened.split} samples "
        f"in {harmless(opened.folder)}"
    )
    if lost:
        many, when = len({one.sample for one in lost}), len({one.epoch for one in lost})
        print(
            f"not finite and without a place: {many:,} {'sample' if many == 1 else 'samples'}, in "
            f"{when:,} {recording.unit}{'' if when == 1 else 's'}"
        )


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


def told(opened: Opened, place: int) -> dict[str, Any]:
    """What identifies a sample to its user; several labels are told by their numbers.

    Its ``split`` is told where there are several.
    """
    labels, guess = opened.labels, int(opened.predictions[place])
    label: Any = None if labels is None else np.asarray(labels[place])
    several = opened.recording.kind == "multilabel"
    if label is not None:
        none = bool((label < 0).any())
        label = np.flatnonzero(label > 0).tolist() if several else label.item()
        label = None if none else label
    where = {} if opened.splits is None else {"split": str(opened.splits[place])}
    return {
        "sample": int(opened.indices[place]),
        **where,
        "label": label,
        "predicted": [bit for bit in range(62) if guess >> bit & 1] if several else guess,
    }


def line(row: dict[str, Any]) -> str:
    """A sample in words."""
    label = "without a label" if row["label"] is None else f"labelled {row['label']}"
    name = f"{row['split']}:{row['sample']}" if "split" in row else row["sample"]
    return f"sample {name:>6} {label}, predicted {row['predicted']}"


def aside(text: str) -> None:
    """Say something that is no part of the output."""
    print(f"trema: {harmless(text)}", file=sys.stderr)
