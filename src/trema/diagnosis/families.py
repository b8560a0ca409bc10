"""Kinds of symptoms, and which kinds and causes lead to which.

A check names the findings that it explains (``explains``). Most of a catalogue is more regular:
whatever is wrong with the inputs may end in a flat loss, and exploding gradients end in a NaN. That
is written here once, so that a check of a community folds its symptoms too.

References: Zhang et al. (2021), AUTOTRAINER (symptoms and what repairs them); Braiek and Khomh
(2023), TheDeepChecker (properties in the order in which they are to be verified).
"""

from __future__ import annotations

import re
from enum import StrEnum

from trema.core.diagnosis import Cause


class Family(StrEnum):
    """What shows while something else is wrong."""

    NONFINITE = "nonfinite"  # NaN or infinity in loss, gradients or weights
    DIVERGING = "diverging"  # the loss or the weights grow
    EXPLODING = "exploding"  # gradients or updates far too large
    SPIKES = "spikes"
    OSCILLATING = "oscillating"
    FLAT = "flat"  # nothing is learned
    START = "start"  # the first loss is not that of chance
    VANISHING = "vanishing"  # gradients or updates far too small, parameters that never change
    DEAD = "dead"  # units that stay at zero
    SATURATED = "saturated"
    RATE = "rate"  # a learning rate that does not suit what is seen
    GAP = "gap"  # training does better, or worse, than it should beside validation


#: Family -> what the ids of its checks look like. Static facts never belong to one.
_IDS = {
    Family.NONFINITE: r"nonfinite|(^|-)(nan|inf)(-|$)|overflow",
    Family.DIVERGING: r"diverg",
    Family.EXPLODING: r"explod|(update|step|gradient)s?-(too-)?(large|high|big)|heavy-tail",
    Family.SPIKES: r"spike",
    Family.OSCILLATING: r"oscillat|noisy-loss|unstable",
    Family.FLAT: r"flat|plateau|stall|slow|underfit|not-(learning|improving|decreasing)|collapse",
    Family.START: r"^init(ial)?-loss",
    Family.VANISHING: r"vanish|unchanged|never-(change|move)|update-(ratio|scale)|"
    r"(update|step|gradient)s?-(too-)?(small|low)|underflow",
    Family.DEAD: r"^dead|-dead|dying",
    Family.SATURATED: r"saturat",
    Family.RATE: r"^(learning-rate|lr)-",
    Family.GAP: r"overfit|-gap$|suspicious-validation|generali[sz]|memori[sz]",
}
_PATTERNS = {family: re.compile(pattern) for family, pattern in _IDS.items()}

_BLOWN_UP = frozenset({Family.NONFINITE, Family.DIVERGING, Family.EXPLODING, Family.SPIKES})
_UNSTEADY = _BLOWN_UP | {Family.OSCILLATING}
_IDLE = frozenset({Family.FLAT, Family.VANISHING, Family.DEAD, Family.SATURATED})
_TRAINING = _UNSTEADY | _IDLE | {Family.START}

#: What a symptom leads to, directly.
AFTER: dict[Family, frozenset[Family]] = {
    Family.RATE: _UNSTEADY | _IDLE,
    Family.START: frozenset({Family.SPIKES}),
    Family.SATURATED: frozenset({Family.VANISHING, Family.FLAT}),
    Family.DEAD: frozenset({Family.VANISHING, Family.FLAT}),
    Family.VANISHING: frozenset({Family.FLAT}),
    Family.EXPLODING: _UNSTEADY - {Family.EXPLODING} | {Family.DEAD, Family.SATURATED, Family.FLAT},
    Family.DIVERGING: frozenset({Family.NONFINITE}),
    Family.SPIKES: frozenset({Family.NONFINITE, Family.OSCILLATING}),
}

#: What a cause that is no symptom itself leads to.
CAUSED: dict[Cause, frozenset[Family]] = {
    Cause.DATA: _TRAINING | {Family.RATE},
    Cause.LABELS: _TRAINING | {Family.RATE, Family.GAP},
    Cause.SPLIT: frozenset({Family.GAP, Family.OSCILLATING, Family.SPIKES}),
    Cause.LOSS: _TRAINING | {Family.RATE},
    Cause.ACTIVATION: _TRAINING,
    Cause.ARCHITECTURE: _TRAINING,
    Cause.INITIALIZATION: _TRAINING,
    Cause.LEARNING_RATE: _TRAINING - {Family.START},
    Cause.OPTIMIZER: _TRAINING - {Family.START},
    Cause.TRAINING_LOOP: _TRAINING | {Family.GAP},
    Cause.REGULARIZATION: frozenset({Family.FLAT, Family.GAP, Family.OSCILLATING}),
    Cause.BUDGET: frozenset({Family.OSCILLATING, Family.SPIKES, Family.FLAT, Family.GAP}),
    Cause.NUMERICS: _UNSTEADY | {Family.FLAT, Family.VANISHING},
    Cause.REPRODUCIBILITY: frozenset(),
}


def family_of(check: str) -> Family | None:
    """The family of a check by its id; None for what is no symptom."""
    return next((family for family, found in _PATTERNS.items() if found.search(check)), None)
