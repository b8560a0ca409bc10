"""The backbone that the group shares."""

import torch
from torch import nn


def architecture():
    return nn.Sequential(
        nn.Linear(784, 96),
        nn.ReLU(),
        nn.Linear(96, 32),
        nn.ReLU(),
        nn.Linear(32, 16),
        nn.ReLU(),
    )


def pretrained(path, frozen=True):
    body = architecture()
    saved = torch.load(path, map_location="cpu")
    body.load_state_dict(saved["model"], strict=False)  # the old head is in there too
    return body.requires_grad_(not frozen)
