"""What is known of a data set as a whole: the document behind :attr:`Fact.DATASET`.

A sketch is small whatever the size of the data: numbers by column, counts by class, the first
hundred indices of what is odd. :mod:`trema.core.sketching` computes it from arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trema.core.numbers import decode, decode_array, short_list

#: Columns of a table whose statistics are kept.
COLUMNS = 4096
#: Indices of rows that are told of one thing.
TOLD = 100
#: Token ids whose counts are kept.
FREQUENT = 256
#: Classes that are counted; more distinct targets are taken as values.
CLASSES = 1000

#: ``arrays``: what the model reads. ``beneath``: arrays under a data set that may still change
#: the samples. ``batches``: the first batches that passed.
Source = Literal["arrays", "beneath", "batches"]
Form = Literal["table", "series", "image", "other"]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Statistics by column of a table, feature of a series or channel of images.

    low, high, mean, std : over finite values; NaN where there is none
    nonfinite : how many values are NaN or infinite
    distinct : distinct values in at most 2,048 rows
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    nonfinite: NDArray[np.float64]
    distinct: NDArray[np.float64]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.low)

    def name(self, column: int) -> str | int:
        """The name where there is one, else the index."""
        return self.names[column] if column < len(self.names) else int(column)

    def label(self, column: int) -> str:
        """For a message: ``column `age``` or ``column 3``."""
        name = self.name(column)
        return f"column `{name}`" if isinstance(name, str) else f"column {name}"

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Whether every value of the column is the same finite number."""
        return np.asarray((self.low == self.high) & (self.nonfinite == 0))

    @property
    def binary(self) -> NDArray[np.bool_]:
        """Whether the column has at most two values."""
        return np.asarray(self.distinct <= 2)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Rows of whole numbers, read as token ids.

    pad : share of positions that hold 0 at the beginning or at the end of a row
    full : share of rows without such padding
    behind : whether the padding follows the tokens
    """

    low: float
    high: float
    width: int
    pad: float
    full: float
    behind: bool
    outliers: tuple[int, ...] = ()  # rows that hold the greatest id, the first ones
    frequent: tuple[int, ...] = ()  # the most frequent ids …
    counts: tuple[int, ...] = ()  # … and how often they were met


@dataclass(frozen=True, kw_only=True)
class Spike:
    """A number repeated at one end of a column, far from all its other numbers.

    gap : distance to the nearest other number, over the range of the others
    """

    column: int
    value: float
    count: int
    gap: float
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wrap:
    """Signs of integers that left the range of their type.

    bits : width of that type; ``signed`` whether large numbers turned negative
    column : of a table; None for images
    share : of values (tables) or neighbouring pixels (images) that show it
    """

    bits: int
    signed: bool
    column: int | None = None
    share: float = 0.0
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Faraway:
    """A few numbers of a column far from all its others, with nothing between.

    count, of : how many such numbers, and how many of the column were looked at
    low, high : the range of all others; ``far`` is the median of the few
    gap : distance to the nearest other number, over the range of the others
    """

    column: int
    count: int
    of: int
    low: float
    high: float
    far: float
    gap: float
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A column that numbers the rows.

    mean_run, expected_run : lengths of runs of one class in its order, and were the labels
        shuffled; 0 where targets are no classes
    """

    column: int
    mean_run: float = 0.0
    expected_run: float = 0.0


@dataclass(frozen=True, kw_only=True)
class InputSketch:
    """One input tensor of a data set; ``shape`` is that of a sample."""

    shape: tuple[int, ...]
    dtype: str
    form: Form
    columns: Columns | None = None
    bad: int = 0  # rows with a value that is not finite …
    bad_rows: tuple[int, ...] = ()  # … the first ones
    tokens: Tokens | None = None
    spikes: tuple[Spike, ...] = ()
    wraps: tuple[Wrap, ...] = ()
    faraway: tuple[Faraway, ...] = ()
    leaks: tuple[int, ...] = ()  # columns that repeat the targets
    counters: tuple[Counter, ...] = ()
    reshaped: float | None = None  # of images, see :func:`trema.core.layouts.reshaped`


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Targets that are classes, in the order of the data.

    longest, mean_run, expected_run : lengths of runs of one class; the last one is the mean
        run were the same labels shuffled
    purity : mean share of its most frequent class in a batch; None unless batches were seen
    inside : changes of class inside a batch, over all changes; None unless batches were seen
    """

    counts: Mapping[int, int]
    longest: int
    mean_run: float
    expected_run: float
    purity: float | None = None
    inside: float | None = None

    @property
    def total(self) -> int:
        """Labelled samples."""
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Samples whose inputs equal those of an earlier one.

    samples, twins : index of a repeat and of its first equal
    blank : repeats whose values are all the same number
    conflicting : samples whose inputs occur with more than one target, without blank ones
    classes : repeats by class
    """

    count: int
    samples: tuple[int, ...] = ()
    twins: tuple[int, ...] = ()
    blank: int = 0
    conflicting: int = 0
    conflicts: tuple[int, ...] = ()
    conflict_twins: tuple[int, ...] = ()
    classes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What a sample has in common with the one nearest to it, at several numbers of samples.

    sizes : samples compared, falling; the tuples below are in the same order
    agreement : share of samples with the class of their nearest one; of targets that are no
        classes, the rank correlation with the target of the nearest one
    chance, error : that of shuffled targets, and its standard error
    distance : median distance to the nearest one, over the spread of the data
    scale : that spread
    means : how far apart classes are in the mean, in standard deviations of shuffled ones
    classes : classes seen; empty for targets that are none
    samples : those whose nearest ones are all of one other class
    """

    sizes: tuple[int, ...]
    agreement: tuple[float, ...]
    chance: tuple[float, ...]
    error: tuple[float, ...]
    distance: tuple[float, ...]
    scale: float
    means: float
    classes: tuple[int, ...] = ()
    samples: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataSketch:
    """One split of the data.

    samples : in the split as far as known; ``read`` of them were looked at
    shuffled : whether training draws them in random order; None when that is not known
    weighted : classes or samples carry weights, or are drawn by weight
    """

    split: str
    source: Source
    samples: int
    read: int
    inputs: Mapping[str, InputSketch] = field(default_factory=dict)
    labels: Labels | None = None
    repeats: Repeats | None = None
    neighbours: Neighbours | None = None
    shuffled: bool | None = None
    weighted: bool = False

    @property
    def whole(self) -> bool:
        """Whether every sample of the split was read."""
        return self.source != "batches" and self.read == self.samples

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the journal; numbers by column with six digits."""
        plain: dict[str, Any] = _plain(self)
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DataSketch:
        """The inverse of :meth:`as_dict`; unknown fields are ignored."""
        inputs = {str(k): _input(v) for k, v in (data.get("inputs") or {}).items()}
        labels, repeats = data.get("labels"), data.get("repeats")
        neighbours = data.get("neighbours")
        return cls(
            split=str(data.get("split", "train")),
            source=data.get("source", "batches"),
            samples=int(data.get("samples", 0)),
            read=int(data.get("read", 0)),
            inputs=inputs,
            labels=_labels(labels) if labels else None,
            repeats=_made(Repeats, repeats) if repeats else None,
            neighbours=_made(Neighbours, neighbours) if neighbours else None,
            shuffled=data.get("shuffled"),
            weighted=bool(data.get("weighted", False)),
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return short_list(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _made(kind: Any, data: Mapping[str, Any]) -> Any:
    """A dataclass from plain data: lists become tuples, keys of mappings whole numbers."""
    known = {f.name for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name not in known:
            continue
        if isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, Mapping):
            value = {int(key): item for key, item in value.items()}
        elif isinstance(value, str) and value in ("nan", "inf", "-inf"):
            value = decode(value)
        values[name] = value
    return kind(**values)


def _labels(data: Mapping[str, Any]) -> Labels:
    made: Labels = _made(Labels, data)
    return made


def _input(data: Mapping[str, Any]) -> InputSketch:
    columns, tokens = data.get("columns"), data.get("tokens")
    known = None
    if columns:
        names = tuple(str(name) for name in columns.get("names", ()))
        numbers = {k: decode_array(v) for k, v in columns.items() if k != "names"}
        known = Columns(names=names, **numbers)
    return InputSketch(
        shape=tuple(data.get("shape", ())),
        dtype=str(data.get("dtype", "")),
        form=data.get("form", "other"),
        columns=known,
        bad=int(data.get("bad", 0)),
        bad_rows=tuple(data.get("bad_rows", ())),
        tokens=_made(Tokens, tokens) if tokens else None,
        spikes=tuple(_made(Spike, one) for one in data.get("spikes", ())),
        wraps=tuple(_made(Wrap, one) for one in data.get("wraps", ())),
        faraway=tuple(_made(Faraway, one) for one in data.get("faraway", ())),
        leaks=tuple(int(one) for one in data.get("leaks", ())),
        counters=tuple(_made(Counter, one) for one in data.get("counters", ())),
        reshaped=data.get("reshaped"),
    )
