"""Where arrays live while a movie is built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trema.core.errors import UsageError


def device_of(name: str) -> torch.device:
    """The device of a name: a GPU when there is one for *auto*."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"device {name!r} was asked for, but torch sees no GPU: use 'cpu'")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"expected a device such as 'cpu' or 'cuda' but got {name!r}") from error


@contextmanager
def in_order(device: torch.device) -> Iterator[None]:
    """Sums by index come out equal on every run: on a GPU they are atomic, in any order, else."""
    if device.type == "cpu":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warning = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warning)
