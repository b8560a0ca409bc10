"""Squeeze clothes through twenty numbers."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(205)
z = np.load("fashion.npz")
x = torch.from_numpy(z["x_train"]).float().flatten(1)
u = torch.from_numpy(z["x_test"]).float().flatten(1)
mean, std = x.mean(), x.std()
x, u = (x - mean) / std, (u - mean) / std


class Squeeze(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 20))
        self.up = nn.Sequential(nn.Linear(20, 100), nn.ReLU(), nn.Linear(100, 784))

    def forward(self, images):
        return torch.relu(self.up(self.down(images)))


auto = Squeeze()
optimizer = torch.optim.Adam(auto.parameters(), lr=1e-3)
mse = nn.MSELoss()
for epoch in range(6):
    for batch in DataLoader(x, 50, shuffle=True):
        optimizer.zero_grad()
        loss = mse(auto(batch), batch)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), mse(auto(u), u).item())
