"""Batches of names of unequal length."""

import torch

LONGEST = 96


def pad_batch(samples):
    tokens = torch.zeros(len(samples), LONGEST, dtype=torch.long)
    for row, (name, _) in enumerate(samples):
        tokens[row, LONGEST - len(name) :] = name
    return tokens, torch.tensor([label for _, label in samples])
