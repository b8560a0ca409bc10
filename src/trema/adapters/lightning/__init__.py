"""Lightning: ``trema.lightning.Watch`` as a callback, ``auto_attach`` for ``trema run``.

The two packages, ``lightning`` and ``pytorch_lightning``, are served by the same code.
"""

from trema.adapters.lightning.auto import auto_attach
from trema.adapters.lightning.watch import Watch

__all__ = ["Watch", "auto_attach"]
