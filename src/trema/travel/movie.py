"""The movie: positions of all samples at all epochs, the way there and back, the landscape."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import NotFound, UsageError
from trema.travel.cache import Cache, key_of
from trema.travel.frames import Excluded, Frames
from trema.travel.heads import Heads, Kind, heads_of
from trema.travel.landscape import Extent, Landscape, extent_of, paint
from trema.travel.progress import reporter
from trema.travel.visualizers.base import METHODS, Floats, Placed, Projector, module_of

_FORMAT = 1
_ROWS = 16_384


class Movie:
    """Positions of the samples of a run, epoch after epoch.

    positions : ndarray of shape (epoch, sample, 2), float32; NaN where a representation was not
    finite (``excluded`` lists those by epoch and sample). ``epochs`` are the epochs' own numbers.
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
        self._painted: dict[tuple[int, int], tuple[Landscape, NDArray[np.bool_]]] = {}

    def __repr__(self) -> str:
        epochs, samples, _ = self.positions.shape
        return f"Movie({self.method}, {epochs} epochs × {samples} samples)"

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """Representations that were not finite and have no position."""
        bad = np.argwhere(np.asarray(np.isnan(self.positions[..., 0])))
        return tuple(Excluded(int(epoch), int(sample)) for epoch, sample in bad.tolist())

    def project(self, x: ArrayLike, epoch: int) -> Floats:
        """Positions (n, 2) of representations (n, D) at an epoch, counted from 0.

        Rows that are not finite give NaN.
        """
        rows = np.asarray(x, dtype=np.float32)
        self._known(epoch)
        if rows.ndim != 2:
            raise UsageError(f"expected representations of shape (n, D) but got {rows.shape}")
        result = np.full((len(rows), 2), np.nan, dtype=np.float32)
        finite = np.asarray(np.all(np.isfinite(rows), axis=1))
        for at in range(0, len(rows), _ROWS):
            part = np.flatnonzero(finite[at : at + _ROWS]) + at
            if len(part):
                result[part] = self.projector.project(rows[part], self._at(epoch))
        return result

    def invert(self, xy: ArrayLike, epoch: int) -> Floats:
        """Representations (n, D) at positions (n, 2) of the canvas of an epoch."""
        places = np.asarray(xy, dtype=np.float32)
        self._known(epoch)
        if places.ndim != 2 or places.shape[1] != 2:
            raise UsageError(f"expected positions of shape (n, 2) but got {places.shape}")
        return self.projector.invert(places, self._at(epoch))

    def landscape(self, epoch: int, size: int = 256) -> Landscape:
        """Class and confidence of each place, computed when first asked for and kept."""
        return self._paint(epoch, size)[0]

    def boundaries(self, epoch: int, size: int = 256) -> NDArray[np.bool_]:
        """Where the two best classes stand close to each other, of shape (size, size)."""
        return self._paint(epoch, size)[1]

    def extended(
        self, representation: ArrayLike, head: Any = None, *, progress: Any = False
    ) -> Movie:
        """This movie and one more epoch; the epochs before it stay exactly as they are.

        ``head`` is (weights (class, D), biases (class,)) of the new epoch, and is not needed
        when heads were given as a function.
        """
        if self.frames is None:
            raise UsageError("a movie loaded without its representations cannot be extended")
        if not hasattr(self.projector, "extended"):
            raise UsageError(
                f"method {self.method!r} fits all epochs together: build the movie anew, "
                "or use the method 'trema'"
            )
        frames = self.frames.appended(representation)
        heads = _with_head(self.heads, head, frames)
        with reporter(progress) as report:
            projector = self.projector.extended(frames, heads, report=report)
        positions = np.concatenate([self.positions, _last_frame(projector, frames)[None]])
        return Movie(
            positions,
            projector,
            method=self.method,
            seed=self.seed,
            frames=frames,
            heads=heads,
            labels=self.labels,
            epochs=[*self.epochs, self.epochs[-1] + 1],
        )

    def save(self, folder: str | Path) -> Path:
        """Write the movie (not its representations) to a folder; nothing in it is pickled."""
        folder = Path(folder)
        cache = Cache(folder.parent, folder.name)
        cache.put("projector", self.projector.state())
        arrays: dict[str, NDArray[Any]] = {"positions": self.positions}
        if self.labels is not None:
            arrays["labels"] = self.labels
        cache.put("movie", arrays)
        about = {
            "format": _FORMAT,
            "method": self.method,
            "seed": self.seed,
            "epochs": self.epochs,
        }
        (folder / "movie.json").write_text(json.dumps(about), encoding="utf-8")
        return folder

    def _known(self, epoch: int) -> None:
        count = len(self.positions)
        if not -count <= epoch < count:
            raise UsageError(f"expected an epoch from 0 to {count - 1} but got {epoch}")

    def _at(self, epoch: int) -> int:
        return epoch % len(self.positions)

    def _paint(self, epoch: int, size: int) -> tuple[Landscape, NDArray[np.bool_]]:
        self._known(epoch)
        if self.heads is None:
            raise UsageError(
                "a landscape needs the last layer: give heads=(weights, biases) to build()"
            )
        if size < 1:
            raise UsageError(f"size must be at least 1 but got {size}")
        at = (self._at(epoch), size)
        if at not in self._painted:
            self._painted[at] = paint(self.projector, self.heads, at[0], self.extent, size)
        return self._painted[at]


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

    Parameters
    ----------
    representations : array of shape (epoch, sample, D), or a sequence of arrays (sample, D)
        Memory maps are read a frame at a time.
    labels : array of shape (sample,), optional
    heads : (weights (epoch, class, D), biases (epoch, class)), or a function, optional
        The last layer: ``heads(x, epoch)`` gives logits. Without it there is no landscape and
        positions know nothing of boundaries.
    method : "trema", "dvi", "timevis" or "pca"
    seed : with one seed and one device, two builds are equal
    progress : True for a bar, or a function (what, share from 0 to 1)
    kind : "softmax", "sigmoid" or "multilabel"; default by the number of outputs
    epochs : the epochs' own numbers, for captions; default 0, 1, …
    device : "auto", "cpu" or "cuda"
    folder : where finished parts are kept, so that a killed build goes on; optional
    options : passed to the method; see its module

    Raises
    ------
    UsageError
        When shapes do not fit, or nothing is finite.
    MissingExtra
        When the method needs a package that is not installed.
    """
    frames = Frames(representations)
    if not frames.finite.any(axis=1).all():
        empty = np.flatnonzero(~frames.finite.any(axis=1)).tolist()
        raise UsageError(f"no representation is finite at epochs {empty}; leave them out")
    if epochs is not None and len(epochs) != len(frames):
        raise UsageError(f"expected {len(frames)} numbers of epochs but got {len(epochs)}")
    given = None if labels is None else np.asarray(labels)
    if given is not None and len(given) != frames.samples:
        raise UsageError(f"expected {frames.samples} labels but got {len(given)}")
    probe = frames.rows(0, np.arange(min(4, frames.samples)))
    outputs = heads_of(heads, epochs=len(frames), width=frames.width, probe=probe, kind=kind)
    module = module_of(method)
    key = key_of(method, seed, sorted(options.items()), *_content(frames, outputs))
    with reporter(progress) as report:
        projector = module.fit(
            frames,
            outputs,
            seed=seed,
            device=device,
            report=report,
            cache=Cache(None if folder is None else Path(folder), key),
            **options,
        )
        report("placing the samples", 1.0)
    positions = np.stack([_frame(projector, frames, epoch) for epoch in range(len(frames))])
    return Movie(
        positions,
        projector,
        method=method,
        seed=seed,
        frames=frames,
        heads=outputs,
        labels=given,
        epochs=epochs,
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
    """
    folder = Path(folder)
    cache = Cache(folder.parent, folder.name)
    arrays, state = cache.get("movie"), cache.get("projector")
    try:
        about = json.loads((folder / "movie.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = None
    if arrays is None or state is None or not isinstance(about, dict):
        raise NotFound(f"no movie in {folder}")
    if about.get("format") != _FORMAT or about.get("method") not in METHODS:
        raise UsageError(f"{folder} was written by another version of Trema: build it anew")
    frames = None if representations is None else Frames(representations)
    positions = arrays["positions"]
    width = frames.width if frames else _width(heads)
    probe = np.zeros((2, max(width, 1)), dtype=np.float32)
    outputs = heads_of(heads, epochs=len(positions), width=width, probe=probe, kind=kind)
    projector = module_of(about["method"]).restore(state, frames, outputs)
    return Movie(
        positions,
        projector,
        method=about["method"],
        seed=int(about["seed"]),
        frames=frames,
        heads=outputs,
        labels=arrays.get("labels"),
        epochs=about["epochs"],
    )


def _width(heads: Any) -> int:
    return int(np.shape(heads[0])[-1]) if isinstance(heads, Sequence) and len(heads) == 2 else 0


def _content(frames: Frames, heads: Heads | None) -> list[Any]:
    """What a movie is made from, by a few rows of each frame."""
    some = np.linspace(0, frames.samples - 1, min(frames.samples, 64)).astype(np.int64)
    rows = [frames.rows(epoch, some) for epoch in range(len(frames))]
    probe = rows[-1][:8]
    logits = [] if heads is None else [heads.logits(probe, e) for e in range(len(frames))]
    return [frames.samples, *rows, *logits]


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


def _last_frame(projector: Projector, frames: Frames) -> Floats:
    return _frame(projector, frames, len(frames) - 1)


def _with_head(heads: Heads | None, head: Any, frames: Frames) -> Heads | None:
    from trema.travel.heads import LinearHeads

    if not isinstance(heads, LinearHeads):
        return heads
    if head is None:
        raise UsageError("expected head=(weights, biases) of the new epoch but got none")
    weights, biases = (np.asarray(part, dtype=np.float32) for part in head)
    return heads_of(
        (
            np.concatenate([heads.weights, weights[None]]),
            np.concatenate([heads.biases, biases[None]]),
        ),
        epochs=len(frames),
        width=frames.width,
        probe=np.zeros((2, frames.width), dtype=np.float32),
        kind=heads.kind,
    )
