"""The Trainer of Hugging Face: ``Trainer(..., callbacks=[trema.transformers.Watch()])``.

Under ``trema run`` nothing needs to be written: every Trainer is watched.
"""

from __future__ import annotations

from trema.core.errors import MissingExtra

try:
    from trema.adapters.transformers.watch import Watch
except ImportError as error:
    raise MissingExtra("trema.transformers", "transformers") from error

__all__ = ["Watch"]
