"""Train and eval mode of the layers that behave differently in them."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

_NORMALIZATIONS = (nn.modules.batchnorm._BatchNorm,)
_DROPOUTS = (nn.modules.dropout._DropoutNd, nn.RNNBase)


class Modes:
    """Reads the modes of one model."""

    def __init__(self, model: nn.Module, leaves: Iterable[nn.Module]) -> None:
        self.model = model
        self._layers = [module for module in leaves if _sensitive(module)]

    def in_eval(self) -> tuple[float, float] | None:
        """Share of layers in eval mode, and 1 when the model is; None when no layer cares.

        Frozen normalization is left out: it stands in eval mode on purpose.
        """
        layers = [m for m in self._layers if not _frozen(m)]
        if not layers:
            return None
        return sum(not m.training for m in layers) / len(layers), float(not self.model.training)

    def in_train(self) -> float | None:
        """Share of layers in train mode while the model is in train mode, else 0."""
        if not self._layers:
            return None
        if not self.model.training:  # layers switched back alone are Monte Carlo dropout
            return 0.0
        return sum(m.training for m in self._layers) / len(self._layers)


def _sensitive(module: nn.Module) -> bool:
    if isinstance(module, _NORMALIZATIONS):
        return bool(module.track_running_stats)
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    return isinstance(module, _DROPOUTS) and float(module.p) > 0  # type: ignore[arg-type]  # a number


def _frozen(module: nn.Module) -> bool:
    own = list(module.parameters(recurse=False))
    return bool(own) and not any(p.requires_grad for p in own)
