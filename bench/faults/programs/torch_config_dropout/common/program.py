import tomllib
from pathlib import Path

import numpy as np
import torch
from torch import nn

plan = tomllib.loads(Path("experiment.toml").read_text())
torch.manual_seed(64)
digits = np.load("mnist.npz")
x, y = torch.tensor(digits["x_train"]).flatten(1) / 255.0, torch.tensor(digits["y_train"])
u, v = torch.tensor(digits["x_test"]).flatten(1) / 255.0, torch.tensor(digits["y_test"])

blocks, size = [], 784
for width, share in zip(plan["model"]["hidden"], plan["model"]["dropout"], strict=True):
    blocks += [nn.Linear(size, width), nn.ReLU(), nn.Dropout(share)]
    size = width
net = nn.Sequential(*blocks, nn.Linear(size, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=plan["fit"]["rate"])
ce = nn.CrossEntropyLoss()
for epoch in range(5):
    net.train()
    for rows in torch.randperm(len(y)).split(32):
        optimizer.zero_grad()
        ce(net(x[rows]), y[rows]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, ce(net(u), v).item(), (net(u).argmax(1) == v).float().mean().item())
