"""The Trainer of Hugging Face, on top of the torch adapter."""

from trema.adapters.transformers.auto import auto_attach
from trema.adapters.transformers.watch import Watch

__all__ = ["Watch", "auto_attach"]
