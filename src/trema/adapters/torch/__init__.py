"""PyTorch: ``trema.watch`` for loops of one's own, ``auto_attach`` for ``trema run``."""

from trema.adapters.torch.auto import auto_attach
from trema.adapters.torch.attach import Run, watch

__all__ = ["Run", "auto_attach", "watch"]
