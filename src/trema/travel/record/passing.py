"""What every framework's passes over the fixed samples have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trema.travel.record.head import Head, Meaning
from trema.travel.record.options import RecordOptions
from trema.travel.record.sources import Source
from trema.travel.record.writer import Frame, Recorder


@dataclass(frozen=True)
class Found:
    """The head of a network, and what its outputs and the labels of each split mean."""

    layer: str
    meaning: Meaning
    width: int
    outputs: int


class Pass(Protocol):
    """Runs a network over the fixed samples."""

    sources: dict[str, Source]
    options: RecordOptions

    def describe(self) -> Found:
        """What was found, and the labels."""

    def run(self) -> tuple[dict[str, Frame], Head, float]:
        """Frames by split, the head, and the seconds that it took."""


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
        options=passes.options,
    )
