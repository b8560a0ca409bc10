"""Time travel of a PyTorch training: passes that Trema's own hooks do not take for training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from trema.adapters.torch import calls, patches
from trema.adapters.torch.describe import is_sharded, unwrapped
from trema.adapters.travel import Following
from trema.engine.session import Session
from trema.travel.record.head import Head, Refused
from trema.travel.record.options import RecordOptions
from trema.travel.record.passing import Found, Pass
from trema.travel.record.sources import Collate, Source, sources_of
from trema.travel.record.torch_pass import TorchPass, collate
from trema.travel.record.writer import Frame


class UnseenPass(Pass):
    """A pass during which no hook of ours listens."""

    def __init__(
        self, model: nn.Module, sources: dict[str, Source], options: RecordOptions
    ) -> None:
        inner = unwrapped(model)
        if any(is_sharded(parameter) for parameter in inner.parameters()):
            raise Refused("the parameters are sharded over processes, so no rank has the network")
        self.sources, self.options = sources, options
        with unseen():
            self._pass = TorchPass(inner, sources, options)

    def describe(self) -> Found:
        with unseen():
            return self._pass.describe()

    def run(self) -> tuple[dict[str, Frame], Head, float]:
        with unseen():
            return self._pass.run()


def follow(
    session: Session,
    model: nn.Module,
    data: Any,
    options: RecordOptions,
    planned: int | None = None,
    batches: Collate | None = None,
) -> Following:
    """A recording of this training; ``batches`` makes a batch of a list of samples.

    Data that cannot be recorded are a note of the run, unless ``samples_of`` was asked before.
    """

    def make() -> Pass:
        return UnseenPass(model, samples_of(data, options, batches), options)

    return Following(session, make, options, planned)


def samples_of(
    data: Any, options: RecordOptions, batches: Collate | None = None
) -> dict[str, Source]:
    """The samples of a recording by split, as ``follow`` takes them too.

    Raises
    ------
    UsageError
        When they cannot be read by their index.
    """
    return sources_of(data, collate=batches or collate, limit=options.samples)


@contextmanager
def unseen() -> Iterator[None]:
    """The time of a pass: listeners and hooks of ours are told nothing."""
    listeners, watching = list(patches.listeners), list(calls.watching)
    patches.paused = True
    patches.listeners.clear()
    calls.watching.clear()
    try:
        yield
    finally:
        patches.listeners[:] = listeners
        calls.watching[:] = watching
        patches.paused = False
