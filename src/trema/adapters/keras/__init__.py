"""Keras 3: ``trema.keras.Watch`` as a callback, ``auto_attach`` for ``trema run``."""

from trema.adapters.keras.auto import auto_attach
from trema.adapters.keras.watch import Handle, Watch

__all__ = ["Handle", "Watch", "auto_attach"]
