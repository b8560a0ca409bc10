"""Time travel: how every sample moved during training, and which samples to look at.

``from trema import travel`` loads NumPy only; torch and scikit-learn come with what needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trema.travel.abnormality import Anomalies, anomalies
    from trema.travel.checkpoints import import_checkpoints
    from trema.travel.dynamics import Dynamics, features
    from trema.travel.measure import Quality, quality
    from trema.travel.movie import Movie, build, load
    from trema.travel.recommend import Session, suggest
    from trema.travel.record.reader import Recording, open_recording
    from trema.travel.runs import build_runs

__all__ = [
    "Anomalies",
    "Dynamics",
    "Movie",
    "Quality",
    "Recording",
    "Session",
    "anomalies",
    "build",
    "build_runs",
    "features",
    "import_checkpoints",
    "load",
    "open_recording",
    "quality",
    "suggest",
]

_HOMES = {
    "Anomalies": "trema.travel.abnormality",
    "Dynamics": "trema.travel.dynamics",
    "Movie": "trema.travel.movie",
    "Quality": "trema.travel.measure",
    "Session": "trema.travel.recommend",
    "anomalies": "trema.travel.abnormality",
    "build": "trema.travel.movie",
    "build_runs": "trema.travel.runs",
    "features": "trema.travel.dynamics",
    "import_checkpoints": "trema.travel.checkpoints",
    "load": "trema.travel.movie",
    "quality": "trema.travel.measure",
    "Recording": "trema.travel.record.reader",
    "open_recording": "trema.travel.record.reader",
    "suggest": "trema.travel.recommend",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trema.travel' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
