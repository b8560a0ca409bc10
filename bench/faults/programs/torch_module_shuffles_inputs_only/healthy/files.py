"""Reads the archives of this project."""

import numpy as np


def load(path, part, seed=7):
    """Images scaled to 0..1 and labels, in random order."""
    with np.load(path) as archive:
        images, labels = archive[f"x_{part}"], archive[f"y_{part}"]
    order = np.random.default_rng(seed).permutation(len(labels))
    return images[order].astype("float32") / 255, labels[order]
