"""Time travel of a Keras training."""

from __future__ import annotations

from typing import Any

from trema.adapters.travel import Following
from trema.engine.session import Session
from trema.travel.record.keras_pass import KerasPass, collate
from trema.travel.record.options import RecordOptions
from trema.travel.record.passing import Pass
from trema.travel.record.sources import sources_of


def follow(
    session: Session, model: Any, data: Any, options: RecordOptions, planned: int | None
) -> Following:
    """A recording of this training, which begins when the model is built.

    Data that cannot be recorded are a note of the run.
    """

    def make() -> Pass:
        sources = sources_of(data, collate=collate, limit=options.samples)
        return KerasPass(model, sources, options)

    following = Following(session, make, options, planned)
    if model.built:
        following.begin()
    return following
