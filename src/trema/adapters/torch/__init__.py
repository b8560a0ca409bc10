"""PyTorch: ``trema.watch`` for loops of one's own, ``auto_attach`` for ``trema run``."""

from trema.adapters.torch.attach import Run, watch
from trema.adapters.torch.auto import auto_attach

__all__ = ["Run", "auto_attach", "watch"]
