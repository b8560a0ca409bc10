import numpy as np
import torch


def to_planes(pixels):
    """uint8 photographs as the float tensors that convolutions take, from -1 to 1."""
    return torch.tensor(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def open_photos(path, device):
    with np.load(path) as z:
        parts = [(z[f"x_{part}"], z[f"y_{part}"]) for part in ("train", "test")]
    return [(to_planes(x).to(device), torch.tensor(y).to(device)) for x, y in parts]
