import numpy as np
import torch
from torch import nn


def prepare(folder, faulty, rng):
    """Pre-train the body on half of the images."""
    torch.manual_seed(2)
    with np.load(folder / "fashion.npz") as z:
        x = torch.tensor(z["x_train"][:1000]).float()[:, None] / 255
        y = torch.tensor(z["y_train"][:1000])
    body = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()
    )
    net = nn.Sequential(body, nn.Flatten(), nn.Linear(400, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(4):
        for rows in torch.randperm(1000).split(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    torch.save(body.state_dict(), folder / "body.pt")
