"""Where arrays live while a movie is built."""

from __future__ import annotations

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
