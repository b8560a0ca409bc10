"""Optimizers by name."""

import torch

KINDS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


def optimizer_for(model, name, **options):
    return KINDS[name](model.parameters(), **options)
