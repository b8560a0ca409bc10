"""Trema watches the training of a neural network and explains what is wrong with it.

``import trema`` loads no framework: adapters are imported when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trema.core.version import __version__

__all__ = ["Config", "__version__", "keras", "lightning", "start", "transformers", "watch"]

if TYPE_CHECKING:
    from trema import lightning, transformers
    from trema.adapters import keras
    from trema.adapters.plain import start
    from trema.adapters.torch import watch
    from trema.core.config import Config

_LAZY = {
    "Config": ("trema.core.config", "Config"),
    "watch": ("trema.adapters.torch", "watch"),
    "start": ("trema.adapters.plain", "start"),
    "keras": ("trema.adapters.keras", None),
    "lightning": ("trema.lightning", None),
    "transformers": ("trema.transformers", None),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'trema' has no attribute {name!r}")
    import importlib

    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
