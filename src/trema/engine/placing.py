"""From the line of a finding to the configuration key that decides it."""

from __future__ import annotations

import dataclasses
import os
from functools import lru_cache

from trema.core.diagnosis import Cause, Diagnosis, Location
from trema.source.settings import Setting, setting_of

#: What a finding of a cause at the call of a constructor rests on: argument and position.
_ARGUMENTS: dict[Cause, tuple[tuple[str, int | None], ...]] = {
    Cause.LEARNING_RATE: tuple(
        (name, None)
        for name in ("lr", "learning_rate", "clipnorm", "total_iters", "num_warmup_steps")
    ),
    Cause.OPTIMIZER: tuple(
        (name, None)
        for name in ("clipnorm", "clipvalue", "global_clipnorm", "weight_decay", "momentum")
    ),
    Cause.ACTIVATION: (("activation", None),),
    Cause.LOSS: (
        ("pos_weight", None),
        ("weight", 0),
        ("class_weight", None),
        ("loss", None),
    ),
    Cause.ARCHITECTURE: (("activation", None),),
    Cause.REGULARIZATION: (
        ("weight_decay", None),
        ("kernel_regularizer", None),
        ("p", 0),
        ("rate", 0),
        ("dropout", None),
    ),
    Cause.NUMERICS: (("dtype", None),),
    Cause.BUDGET: (("batch_size", None), ("epochs", None)),
}


def with_setting(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with the key of the user's configuration, where its line is decided by one."""
    place = diagnosis.location
    if place is None or diagnosis.where.config_file is not None:
        return diagnosis
    try:
        found = _setting(place, diagnosis.cause)
    except Exception:  # a place is never worth an error in somebody's training
        return diagnosis
    if found is None:
        return diagnosis
    where = dataclasses.replace(
        diagnosis.where,
        config_file=_relative(found.file) if found.file is not None else None,
        setting=found.key,
        setting_line=found.line,
    )
    return dataclasses.replace(diagnosis, where=where)


@lru_cache(maxsize=256)
def _setting(place: Location, cause: Cause) -> Setting | None:
    return setting_of(place, _ARGUMENTS.get(cause, ()))


def _relative(file: str) -> str:
    """The file below the working directory, else as it is."""
    try:
        inner = os.path.relpath(file)
    except (OSError, ValueError):  # the folder is gone, or on another drive
        return file
    return file if inner.startswith("..") else inner
