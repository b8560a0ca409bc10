"""Train as settings.toml says."""

import tomllib

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

with open("settings.toml", "rb") as file:
    settings = tomllib.load(file)
torch.manual_seed(settings["seed"])
z = np.load("fashion.npz")
x, x_val = (torch.from_numpy(z[k]).float()[:, None] / 255 - 0.3 for k in ("x_train", "x_test"))
y, y_val = (torch.from_numpy(z[k]) for k in ("y_train", "y_test"))
net = nn.Sequential(
    nn.Conv2d(1, 8, 3, stride=2),
    nn.ReLU(),
    nn.Conv2d(8, 8, 3, stride=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(288, 10),
)
optimizer = torch.optim.SGD(net.parameters(), **settings["optimizer"])
loss_fn = nn.CrossEntropyLoss()
for epoch in range(settings["epochs"]):
    net.train()
    for a, b in DataLoader(TensorDataset(x, y), settings["data"]["batch"], shuffle=True):
        optimizer.zero_grad()
        loss_fn(net(a), b).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, loss_fn(net(x_val), y_val).item())
