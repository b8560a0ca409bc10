"""How weights start in this project."""

from torch import nn


def start(module):
    """Small weights, zero biases; apply to a whole network."""
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -0.3, 0.3)
        nn.init.zeros_(module.bias)
