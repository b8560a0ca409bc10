from itertools import pairwise

import numpy as np
import torch
from torch import nn


def prepare(folder, faulty, rng):
    """Pre-train the backbone with a head of its own and save both."""
    torch.manual_seed(9)
    with np.load(folder / "fashion.npz") as z:
        x, y = torch.tensor(z["x_train"][:2000]).flatten(1) / 255.0, torch.tensor(z["y_train"])
    sizes = [784, 96, 32, 16]
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    net = nn.Sequential(*layers, nn.Linear(16, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(8):
        for rows in torch.randperm(2000).split(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    prefix = "module." if faulty else ""
    saved = {prefix + name: value for name, value in net.state_dict().items()}
    torch.save({"model": saved, "epoch": 8}, folder / "backbone.pt")
