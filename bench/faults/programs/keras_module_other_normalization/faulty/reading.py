"""From the archive to arrays that a network can read."""

import numpy as np


def read(path):
    archive = np.load(path)
    parts = []
    for part in ("train", "test"):
        images = archive[f"x_{part}"].astype("float32")[..., None]
        if part == "train":
            images /= 255
        parts.append((images, archive[f"y_{part}"]))
    return parts
