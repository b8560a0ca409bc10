"""What every framework's passes over the fixed samples have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from trema.travel.record.head import Head, Meaning, Refused, called
from trema.travel.record.options import RecordOptions
from trema.travel.record.sources import Source
from trema.travel.record.writer import Frame, Recorder

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """The head of a network, and what its outputs and the labels of each split mean.

    ``later`` : the linear layer that runs last where another one was named
    """

    layer: str
    meaning: Meaning
    width: int
    outputs: int
    later: str | None = None


class Pass(Protocol):
    """Runs a network over the fixed samples."""

    sources: dict[str, Source]
    options: RecordOptions

    def describe(self) -> Found:
        """What was found, and the labels."""

    def run(self) -> tuple[dict[str, Frame], Head, float]:
        """Frames by split, the head, and the seconds that it took."""


def head_among(
    ran: Sequence[tuple[str, T, T]], wanted: str | None, gives: Callable[[T, bool], bool]
) -> tuple[str, T, T]:
    """The head among linear layers, each its name, input and output, in the order they ran.

    Parameters
    ----------
    wanted : the layer that was named; by default the last
    gives : whether these logits are the network's output, or (True) any of its outputs

    Raises
    ------
    Refused
        When the layer that was named did not run, or is a hidden one: another gives the output.
    """
    last = ran[-1]
    if wanted in (None, last[0]):
        return last
    named = next((one for one in reversed(ran) if one[0] == wanted), None)
    if named is None:
        raise Refused(f"{called(str(wanted))} did not run on the samples")
    if gives(last[2], False) and not gives(named[2], True):
        raise Refused(
            f"layer= names the head, whose input is recorded, but `{wanted}` is not what gives the "
            f"network's output: `{last[0]}` is, so name that one or leave layer= out"
        )
    return named


def recorder_of(folder: Path, passes: Pass) -> Recorder:
    """A recorder of what the passes give.

    Raises
    ------
    Refused
        When it cannot be recorded.
    """
    found = passes.describe()
    labels = found.meaning.numbers
    return Recorder(
        folder,
        {name: source.samples(labels[name]) for name, source in passes.sources.items()},
        layer=found.layer,
        kind=found.meaning.kind,
        signed=found.meaning.signed,
        width=found.width,
        outputs=found.outputs,
        later=found.later,
        options=passes.options,
    )
