import numpy as np
import torch
from torch import nn

torch.manual_seed(209)
t = np.loadtxt("patients.csv", delimiter=",", skiprows=1)
t[:, 1:6] = np.where(t[:, 1:6] == 0, np.median(t[:, 1:6], axis=0), t[:, 1:6])
t = np.random.default_rng(209).permutation(t)
fit, held = t[:500], t[500:]
mean, std = fit[:, :8].mean(0), fit[:, :8].std(0)


def as_x(part):
    return torch.tensor((part[:, :8] - mean) / std, dtype=torch.float32)


def as_y(part):
    return torch.tensor(part[:, 8:], dtype=torch.float32)


x, y, u, v = as_x(fit), as_y(fit), as_x(held), as_y(held)

width, epochs = 12, 10
net = nn.Sequential(
    nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(epochs):
    net.train()
    for rows in torch.randperm(len(x)).split(20):
        optimizer.zero_grad()
        loss = bce(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, bce(net(x), y).item(), bce(net(u), v).item())
