"""Metrics that a LightningModule logs, by phase and under one name for both.

Only what Lightning has reduced already is read: reducing earlier than it does could call a metric's
``compute`` before its last ``update``.
"""

from __future__ import annotations

import re
from typing import Any

from trema.adapters.torch.attach import as_number
from trema.core.facts import TRAIN, VALIDATION, Phase

_PHASES: dict[str, Phase | None] = {
    "train": TRAIN,
    "training": TRAIN,
    "tr": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "dev": VALIDATION,
    "test": None,
}
_PARTS = re.compile(r"[_/.\-\s]+")


def paired(name: str, phase: Phase) -> tuple[Phase, str] | None:
    """Phase and common name of a metric: ``train_loss`` and ``val/loss`` are both ``loss``.

    phase : of the loop that logged it, where the name tells none
    Returns None for a metric of the test set, and for a name that is only a phase.
    """
    parts = [part for part in _PARTS.split(name) if part]
    if len(parts) > 1 and parts[-1] == "epoch":
        parts.pop()
    for at in (0, -1):
        word = parts[at].lower() if parts else ""
        if word in _PHASES:
            told = _PHASES[word]
            del parts[at]
            return (told, "_".join(parts)) if told is not None and parts else None
    return (phase, "_".join(parts)) if parts else None


def training_metrics(trainer: Any) -> dict[Phase, dict[str, float]]:
    """What was logged with ``on_epoch`` while training, as Lightning reduced it."""
    found: dict[Phase, dict[str, float]] = {TRAIN: {}, VALIDATION: {}}
    results = getattr(trainer, "_results", None) or {}
    names = {
        meta.name
        for one in results.values()
        if (meta := getattr(one, "meta", None)) is not None and getattr(meta, "on_epoch", False)
    }
    if not names:
        return found
    values = trainer.callback_metrics
    for name in sorted(names):
        pair, number = paired(name, TRAIN), as_number(values.get(name))
        if pair is not None and number is not None:
            found[pair[0]][pair[1]] = number
    return found


def validation_metrics(trainer: Any, number: int) -> dict[str, float]:
    """What was logged while validating on this loader, as Lightning reduced it."""
    results = getattr(trainer, "_results", None) or {}
    metas = [meta for one in results.values() if (meta := getattr(one, "meta", None)) is not None]
    values = trainer.callback_metrics
    found = {}
    for meta in metas:
        own = getattr(meta, "dataloader_idx", None)
        if not getattr(meta, "on_epoch", False) or own not in (None, number):
            continue
        several = own is not None and getattr(meta, "add_dataloader_idx", True)
        name = f"{meta.name}/dataloader_idx_{own}" if several else meta.name
        pair, value = paired(meta.name, VALIDATION), as_number(values.get(name))
        if pair is not None and pair[0] == VALIDATION and value is not None:
            found[pair[1]] = value
    return found
