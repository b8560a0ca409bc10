"""Three questions about a piece of clothing: worn above, has sleeves, is a shoe."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(207)
z = np.load("fashion.npz")


def questions(kinds):
    sets = [(0, 2, 3, 4, 6), (2, 3, 4), (5, 7, 9)]
    return torch.tensor(np.stack([np.isin(kinds, s) for s in sets], axis=1)).float()


x, u = (torch.tensor(z[k]).float().flatten(1) / 255 for k in ("x_train", "x_test"))
y, v = questions(z["y_train"]), questions(z["y_test"])
body = [nn.Linear(784, 60), nn.ReLU(), nn.Linear(60, 3)]
net = nn.Sequential(*body, nn.Sigmoid())
bce = nn.BCELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(5):
    for images, answers in DataLoader(TensorDataset(x, y), 36, shuffle=True):
        optimizer.zero_grad()
        loss = bce(net(images), answers)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guess = net(u)
        print(epoch, bce(guess, v).item(), ((guess > 0.5) == (v > 0.5)).float().mean().item())
