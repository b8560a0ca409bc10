"""The reductions of :mod:`trema.core.reduce` on torch tensors, on their device, without syncs.

Each returns a small tensor; the caller stacks them and copies once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trema.core.reduce import SATURATION, sample_stride, unit_stride

#: Rows of a batch used for activation statistics: 16 of 128 rows cost next to nothing, the
#: whole batch about 30 % of a ResNet18 step (measured; see docs/bench/overhead.md).
ACTIVATION_ROWS = 16
#: Elements of a batch tensor used for its statistics; above it rows are taken evenly.
LARGEST = 1 << 20


def tensor_statistics(x: Tensor) -> Tensor:
    """min, max, mean, std, nonfinite, integer, row-sum-min, row-sum-max: shape (8,), float64."""
    x = thinned(x.detach())
    if x.is_complex():
        x = torch.view_as_real(x)
    nan = torch.full((), torch.nan, dtype=torch.float64, device=x.device)
    if x.numel() == 0:
        return torch.stack([nan, nan, nan, nan, nan * 0, nan, nan, nan])
    values = x.double() if x.dtype != torch.float64 else x
    finite = torch.isfinite(values)
    good = values if bool(finite.all()) else values[finite]
    missing = torch.full_like(nan, values.numel() - good.numel())
    if good.numel() == 0:
        return torch.stack([nan, nan, nan, nan, missing, nan, nan, nan])
    integer = (good == good.round()).all().double()
    low, high = nan, nan
    if values.ndim >= 2 and values.shape[-1] > 1 and good is values:
        sums = values.sum(dim=-1)
        low, high = sums.min(), sums.max()
    std, mean = torch.std_mean(good, correction=0)
    return torch.stack([good.min(), good.max(), mean, std, missing, integer, low, high])


def thinned(x: Tensor) -> Tensor:
    """Evenly spaced rows, so that at most LARGEST elements remain."""
    if x.ndim == 0:
        return x.reshape(1)
    if x.numel() <= LARGEST or x.shape[0] < 2:
        return x
    stride = -(-x.numel() // LARGEST)
    return x[::stride]


def activation_statistics(x: Tensor) -> Tensor:
    """mean, std, zero fraction, saturated fraction, non-finite count: shape (5,), float32."""
    x = x.detach()[:ACTIVATION_ROWS].float()
    finite = torch.isfinite(x)
    count = finite.sum()
    safe = torch.where(finite, x, torch.zeros_like(x))
    total = count.clamp(min=1)
    mean = safe.sum() / total
    spread = torch.where(finite, x - mean, torch.zeros_like(x)).square().sum() / total
    zeros = ((x == 0) & finite).sum() / total
    saturated = (safe.abs() > SATURATION).sum() / total
    missing = (x.numel() - count).float()
    out = torch.stack([mean, spread.sqrt(), zeros.float(), saturated.float(), missing])
    out[:4] = torch.where(count > 0, out[:4], torch.full_like(out[:4], torch.nan))
    return out


def unit_max(x: Tensor, axis: int) -> Tensor | None:
    """The greatest value of each unit over rows and positions; None of nothing."""
    x = x.detach()[:ACTIVATION_ROWS]
    if x.ndim < 2 or x.numel() == 0:
        return None
    x = x.movedim(axis, -1)[..., :: unit_stride(x.shape[axis])]
    return x.amax(dim=tuple(range(x.ndim - 1))).float()


def sample(x: Tensor) -> Tensor | None:
    """A copy of the values that quantiles are taken of, in float32 or wider: shape (value,).

    None of a tensor that holds no plain numbers: sparse, complex or not allocated.
    """
    x = x.detach()
    if x.layout is not torch.strided or not x.is_floating_point() or x.is_meta:
        return None
    stride = sample_stride(x.numel())
    if x.is_contiguous():
        taken = x.reshape(-1)[::stride]
    else:  # in C order all the same, without a copy of the whole
        taken = torch.take(x, torch.arange(0, x.numel(), stride, device=x.device))
    return taken.to(torch.promote_types(x.dtype, torch.float32), copy=True)


def to_host(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Vectors copied to the host at once."""
    if not tensors:
        return []
    device = tensors[0].device
    whole = torch.cat([t.to(device) for t in tensors]).cpu().numpy()
    return np.split(whole, np.cumsum([len(t) for t in tensors[:-1]]))


def norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The Euclidean norm of each tensor; one fused call a device and dtype."""
    dense = [t.coalesce().values() if t.is_sparse else t for t in tensors]
    dense = [t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for t in dense]
    return list(torch._foreach_norm(dense)) if dense else []


def numbers(values: Sequence[Tensor]) -> list[float]:
    """Scalars copied to the host at once."""
    if not values:
        return []
    device = values[0].device
    stacked = torch.stack([v.detach().to(device=device, dtype=torch.float64) for v in values])
    return [float(v) for v in stacked.tolist()]
