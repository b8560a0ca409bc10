"""A training that was killed between two passes, as plain arrays: what it needs to go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trema.travel.autoencoder import Autoencoder
from trema.travel.cache import Arrays


@dataclass(frozen=True)
class Keeper:
    """Where the state of a training is kept: ``get`` gives the last one, ``put`` takes the next."""

    get: Callable[[], Arrays | None]
    put: Callable[[Mapping[str, NDArray[Any]]], None]


def packed(
    model: Autoencoder, optimizer: torch.optim.Optimizer, draw: torch.Generator, losses: list[float]
) -> Arrays:
    """The state after a pass."""
    arrays = {f"model-{name}": array for name, array in model.weights().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            arrays[f"moment-{number}-{name}"] = value.detach().cpu().numpy()
    arrays["draw"] = draw.get_state().numpy()
    arrays["losses"] = np.array(losses)
    return arrays


def restored(
    state: Mapping[str, NDArray[Any]],
    model: Autoencoder,
    optimizer: torch.optim.Optimizer,
    draw: torch.Generator,
) -> list[float]:
    """Put a kept state in place; the losses of the passes that were made."""
    model.put({name[6:]: array for name, array in state.items() if name.startswith("model-")})
    moments: dict[int, dict[str, Any]] = {}
    for key, array in state.items():
        if key.startswith("moment-"):
            _, number, name = key.split("-", 2)
            moments.setdefault(int(number), {})[name] = torch.from_numpy(np.array(array))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    draw.set_state(torch.from_numpy(np.array(state["draw"])))
    losses: list[float] = state["losses"].tolist()
    return losses
