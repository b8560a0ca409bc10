"""The movie: positions of all samples at all epochs, the way there and back, the landscape."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError
from trema.travel import heads as outputs
from trema.travel import saved
from trema.travel.cache import Cache, key_of
from trema.travel.content import content_order, sample_keys
from trema.travel.fingerprints import Fingerprints
from trema.travel.frames import Excluded, Frames, finite_rows, plain
from trema.travel.given import (
    enough,
    epochs_of,
    labels_of,
    next_epoch,
    numbers_of,
    options_of,
    seed_of,
    whole_of,
)
from trema.travel.heads import Heads, Kind, heads_of
from trema.travel.landscape import Extent, LabelSets, Landscape, extent_of, paint
from trema.travel.progress import reporter
from trema.travel.visualizers.base import METHODS, Floats, Placed, Projector, module_of

_ROWS = 16_384


class Movie:
    """Positions of the samples of a run, epoch after epoch.

    positions : ndarray of shape (epoch, sample, 2), float32; NaN where a representation was not
    finite or held a number beyond 1e16 (``excluded`` lists those by epoch and sample). ``epochs``
    are the epochs' own numbers.
    """

    def __init__(
        self,
        positions: Floats,
        projector: Projector,
        *,
        method: str,
        seed: int,
        frames: Frames | None = None,
        heads: Heads | None = None,
        labels: NDArray[Any] | None = None,
        epochs: Sequence[int] | None = None,
        width: int | None = None,
        order: NDArray[np.int64] | None = None,
        sets: NDArray[np.int64] | None = None,
        parts: Cache | None = None,
        made_from: Fingerprints | None = None,
    ) -> None:
        self.positions = positions
        self.projector = projector
        self.method = method
        self.seed = seed
        self.frames = frames
        self.heads = heads
        self.labels = labels
        self.epochs = list(range(len(positions))) if epochs is None else list(epochs)
        self.extent: Extent = extent_of(positions)
        self._width = width if frames is None else frames.width
        self._order = order  # of the samples where the projector was fitted
        self._known_sets = sets
        self._sets: LabelSets | None = None
        self.parts = parts
        self._made_from = made_from or Fingerprints.read(None, len(positions))
        self._painted: dict[tuple[int, int], tuple[Landscape, NDArray[np.bool_]]] = {}

    def __repr__(self) -> str:
        epochs, samples, _ = self.positions.shape
        return f"Movie({self.method}, {epochs} epochs × {samples} samples)"

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """Representations that were not finite, or beyond 1e16, and have no position."""
        bad = np.argwhere(np.asarray(np.isnan(self.positions[..., 0])))
        return tuple(Excluded(int(epoch), int(sample)) for epoch, sample in bad.tolist())

    def project(self, x: ArrayLike, epoch: int) -> Floats:
        """Positions (n, 2) of representations (n, D) at an epoch, counted from 0.

        Rows that are not finite, or hold a number beyond 1e16, give NaN.
        """
        rows, there = numbers_of(x, "representations (n, D)"), self._at(epoch)
        width = self._width
        if rows.ndim != 2 or width not in (None, rows.shape[1]):
            raise UsageError(
                f"expected representations of shape (n, {width or 'D'}) but got {rows.shape}"
            )
        result = np.full((len(rows), 2), np.nan, dtype=np.float32)
        finite = finite_rows(rows)
        for at in range(0, len(rows), _ROWS):
            part = np.flatnonzero(finite[at : at + _ROWS]) + at
            if len(part):
                result[part] = self.projector.project(rows[part], there)
        return result

    def invert(self, xy: ArrayLike, epoch: int) -> Floats:
        """Representations (n, D) at positions (n, 2) of the canvas of an epoch."""
        places, there = numbers_of(xy, "positions (n, 2)"), self._at(epoch)
        if places.ndim != 2 or places.shape[1] != 2:
            raise UsageError(f"expected positions of shape (n, 2) but got {places.shape}")
        if not np.isfinite(places).all():
            raise UsageError("expected positions that are finite but some are NaN or infinite")
        return self.projector.invert(places, there)

    def landscape(self, epoch: int, size: int = 256) -> Landscape:
        """Class and confidence of each place, computed when first asked for and kept."""
        return self._paint(epoch, size)[0]

    def boundaries(self, epoch: int, size: int = 256) -> NDArray[np.bool_]:
        """Where the two best classes stand close to each other, of shape (size, size)."""
        return self._paint(epoch, size)[1]

    @property
    def label_sets(self) -> NDArray[np.bool_] | None:
        """Which labels (number, label) each number of a multi-label landscape stands for.

        None for other heads. A number beyond the table (255) is any set that has none of its
        own: of more than 8 labels, the 255 that are most frequent among the samples have one.
        """
        sets = self._label_sets()
        return None if sets is None else sets.table

    def extended(
        self,
        representation: ArrayLike,
        head: Any = None,
        *,
        epoch: int | None = None,
        progress: Any = False,
    ) -> Movie:
        """This movie and one more epoch; the epochs before it stay exactly as they are.

        ``head`` is (weights (class, D), biases (class,)) of the new epoch, and is not needed
        when heads were given as a function. ``epoch`` is its own number; by default as far from
        the last as that is from the one before.
        """
        if self.frames is None:
            raise UsageError("a movie loaded without its representations cannot be extended")
        if not hasattr(self.projector, "extended"):
            raise UsageError(
                f"method {self.method!r} fits all epochs together: build the movie anew, "
                "or use the method 'trema'"
            )
        epochs = [*self.epochs, next_epoch(self.epochs, epoch)]
        frames = self.frames.appended(representation)
        enough(frames, epochs, since=len(self.epochs))
        heads = outputs.one_more(self.heads, head, len(frames), frames.width)
        ordered = frames if self._order is None else frames.ordered(self._order)
        with reporter(progress) as report:
            projector = self.projector.extended(ordered, heads, report=report)
        last = _frame(projector, ordered, len(frames) - 1)
        last = last if self._order is None else last[np.argsort(self._order)]
        positions = np.concatenate([self.positions, last[None]])
        return Movie(
            positions,
            projector,
            method=self.method,
            seed=self.seed,
            frames=frames,
            heads=heads,
            labels=self.labels,
            epochs=epochs,
            order=self._order,
            sets=self._known_sets if self._sets is None else self._sets.codes,
            made_from=self._made_from + Fingerprints.of(frames, heads, since=len(self.epochs)),
        )

    def save(self, folder: str | Path) -> Path:
        """Write the movie (not its representations) to a folder; nothing in it is pickled.

        The folder holds the old movie or the new one, never parts of both. What ``build`` kept
        of finished parts is removed.
        """
        folder = Path(folder)
        saved.write(folder, *self.packed())
        if self.parts is not None:
            self.parts.clear()
        return folder

    def packed(self) -> tuple[dict[str, Any], dict[str, Mapping[str, NDArray[Any]]]]:
        """Plain values and sets of arrays from which ``unpacked`` makes the movie again."""
        arrays: dict[str, NDArray[Any]] = {"positions": self.positions}
        sets = self._known_sets if self._sets is None else self._sets.codes
        for name, given in (("labels", self.labels), ("order", self._order), ("sets", sets)):
            if given is not None:
                arrays[name] = given
        about = {
            "method": self.method,
            "seed": self.seed,
            "epochs": [int(number) for number in self.epochs],
            "width": self._width,
            "made_from": self._made_from.plain(),
        }
        return about, {"movie": arrays, "projector": self.projector.state()}

    def _at(self, epoch: int) -> int:
        """The place of an epoch from 0; −1 is the last."""
        at, count = whole_of(epoch, "epoch"), len(self.positions)
        if not -count <= at < count:
            raise UsageError(f"expected an epoch from 0 to {count - 1} but got {at}")
        return at % count

    def _paint(self, epoch: int, size: int) -> tuple[Landscape, NDArray[np.bool_]]:
        at = (self._at(epoch), whole_of(size, "size"))
        if self.heads is None:
            raise UsageError(
                "a landscape needs the last layer: give heads=(weights, biases) to build()"
            )
        if at[1] < 1:
            raise UsageError(f"size must be at least 1 but got {size}")
        if at not in self._painted:
            self._painted[at] = paint(
                self.projector, self.heads, at[0], self.extent, at[1], self._label_sets()
            )
        return self._painted[at]

    def _label_sets(self) -> LabelSets | None:
        if self.heads is None or self.heads.kind != "multilabel":
            return None
        if self._sets is None:
            self._sets = LabelSets.of(self.heads.outputs, self._predicted(), self._known_sets)
        return self._sets

    def _predicted(self) -> Iterator[NDArray[np.int64]]:
        """Predictions (n,) of the samples, in parts of an epoch."""
        assert self.heads is not None
        for epoch, laid in enumerate(self.positions):
            kept = np.flatnonzero(np.isfinite(laid[:, 0]))
            for at in range(0, len(kept), _ROWS):
                part = kept[at : at + _ROWS]
                if self.frames is not None:
                    rows = self.frames.rows(epoch, part)
                else:
                    rows = self.projector.invert(laid[part], epoch)
                yield outputs.predicted(self.heads.logits(rows, epoch), self.heads.kind)


def build(
    representations: ArrayLike | Sequence[ArrayLike],
    labels: ArrayLike | None = None,
    heads: Any = None,
    method: str = "trema",
    seed: int = 0,
    progress: bool | Callable[[str, float], None] = False,
    *,
    kind: Kind | None = None,
    epochs: Sequence[int] | None = None,
    device: str = "auto",
    folder: str | Path | None = None,
    **options: Any,
) -> Movie:
    """Lay a training run on a canvas.

    Samples are laid out in an order that comes from what they hold: permuting them permutes
    their positions and changes no bit of them, and copies share a place.

    Parameters
    ----------
    representations : array of shape (epoch, sample, D), or a sequence of arrays (sample, D)
        Memory maps are read a frame at a time. A sample has no place at an epoch where it holds
        NaN, infinity or a number beyond 1e16, see ``Movie.excluded``.
    labels : array of shape (sample,), optional
        Kept with the movie. ``features``, ``anomalies`` and ``suggest`` take classes from 0 in the
        order of the logits, −1 or NaN for a sample without a label; of a multi-label head zeros
        and ones of shape (sample, label).
    heads : (weights (epoch, class, D), biases (epoch, class)), or a function, optional
        The last layer: ``heads(x, epoch)`` gives logits. Without it there is no landscape and
        positions know nothing of boundaries.
    method : "trema", "dvi", "timevis" or "pca"
    seed : with one seed and one device, two builds are equal
    progress : True for a bar, or a function (what, share from 0 to 1)
    kind : "softmax", "sigmoid" or "multilabel"; default by the number of outputs
    epochs : the epochs' own numbers, strictly ascending, for captions; default 0, 1, …
    device : "auto", "cpu" or "cuda"
    folder : where finished parts are kept, so that a killed build goes on; optional
    options : passed to the method; see its module

    Raises
    ------
    UsageError
        When shapes or labels do not fit, fewer than two samples of an epoch are finite, or the
        method has no such option.
    MissingExtra
        When the method needs a package that is not installed.
    """
    frames = Frames(representations)
    numbers = epochs_of(epochs, len(frames))
    enough(frames, numbers)
    seed = seed_of(seed)
    module = module_of(method)
    options = options_of(module, method, options)
    probe = frames.rows(0, np.arange(min(4, frames.samples)))
    head = heads_of(heads, epochs=len(frames), width=frames.width, probe=probe, kind=kind)
    given = labels_of(labels, frames.samples)
    keys = sample_keys(frames)
    order = content_order(keys)
    ordered = frames.ordered(order)
    made_of = key_of(
        method,
        module.VERSION,
        seed,
        sorted(options.items()),
        hashlib.blake2b(keys[order].tobytes()).hexdigest(),
        *_probes(ordered, head),
    )
    cache = Cache(None if folder is None else Path(folder), made_of)
    with reporter(progress) as report:
        projector = module.fit(
            ordered, head, seed=seed, device=device, report=report, cache=cache, **options
        )
        report("placing the samples", 1.0)
    laid = np.stack([_frame(projector, ordered, epoch) for epoch in range(len(frames))])
    positions = np.empty_like(laid)
    positions[:, order] = laid
    return Movie(
        positions,
        projector,
        method=method,
        seed=seed,
        frames=frames,
        heads=head,
        labels=given,
        epochs=numbers,
        order=order,
        parts=cache,
        made_from=Fingerprints.of(frames, head),
    )


def load(
    folder: str | Path,
    representations: ArrayLike | Sequence[ArrayLike] | None = None,
    heads: Any = None,
    *,
    kind: Kind | None = None,
) -> Movie:
    """A movie written by ``Movie.save``; with its representations it can be measured and extended.

    Raises
    ------
    NotFound
        When the folder holds no movie.
    UsageError
        When it is damaged, or was made from other representations or linear heads: of each epoch
        256 samples are compared, and the whole head.
    """
    about, parts = saved.read(Path(folder))
    frames = None if representations is None else Frames(representations)
    try:
        return unpacked(about, parts, frames, heads, kind)
    except (KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{folder} was written by another version of Trema: build it anew"
        ) from None


def unpacked(
    about: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, NDArray[Any]]],
    frames: Frames | None,
    heads: Any = None,
    kind: Kind | None = None,
    cache: Cache | None = None,
) -> Movie:
    """The movie of what ``Movie.packed`` gave; ``cache`` holds parts that a save removes."""
    arrays, method = parts["movie"], about["method"]
    if method not in METHODS:
        raise UsageError(f"the movie was made by an unknown method {method!r}: build it anew")
    positions, order = arrays["positions"], arrays.get("order")
    width = about.get("width") or (frames.width if frames else _width(heads))
    if frames is not None and (len(frames), frames.samples, frames.width) != (
        *positions.shape[:2],
        width,
    ):
        raise UsageError(
            f"the movie was made from representations of shape ({positions.shape[0]}, "
            f"{positions.shape[1]}, {width}) but these are of shape ({len(frames)}, "
            f"{frames.samples}, {frames.width}): give those, or build it anew"
        )
    probe = np.zeros((2, max(width, 1)), dtype=np.float32)
    head = heads_of(heads, epochs=len(positions), width=width, probe=probe, kind=kind)
    epochs = epochs_of(about["epochs"], len(positions), ascending=False)
    made_from = Fingerprints.read(about.get("made_from"), len(positions))
    made_from.check(frames, head, epochs)
    ordered = frames if frames is None or order is None else frames.ordered(order)
    return Movie(
        positions,
        module_of(method).restore(parts["projector"], ordered, head),
        method=method,
        seed=int(about["seed"]),
        frames=frames,
        heads=head,
        labels=arrays.get("labels"),
        epochs=epochs,
        width=width or None,
        order=order,
        sets=arrays.get("sets"),
        parts=cache,
        made_from=made_from,
    )


def _width(heads: Any) -> int:
    """The features that a pair of weights and biases takes; 0 when nothing says."""
    try:
        return int(np.shape(plain(heads[0]))[-1])
    except (TypeError, IndexError, ValueError):
        return 0


def _probes(frames: Frames, heads: Heads | None) -> list[Floats]:
    """A few rows of each epoch, and what the heads say of them."""
    some = np.linspace(0, frames.samples - 1, min(frames.samples, 8)).astype(np.int64)
    rows = [frames.rows(epoch, some) for epoch in range(len(frames))]
    if heads is None:
        return rows
    return [*rows, *(heads.logits(few, epoch) for epoch, few in enumerate(rows))]


def _frame(projector: Projector, frames: Frames, epoch: int) -> Floats:
    result = np.full((frames.samples, 2), np.nan, dtype=np.float32)
    kept = np.flatnonzero(frames.finite[epoch])
    if isinstance(projector, Placed):
        result[kept] = projector.positions[epoch][kept]
        return result
    for at in range(0, len(kept), _ROWS):
        part = kept[at : at + _ROWS]
        result[part] = projector.project(frames.rows(epoch, part), epoch)
    return result
