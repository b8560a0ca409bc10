import json

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

with open("run.json") as file:
    run = json.load(file)
torch.manual_seed(run["seed"])
kind = getattr(torch, run["precision"])
z = np.load("mnist.npz")
x, u = (torch.from_numpy(z[k]).flatten(1).to(kind) / 255 for k in ("x_train", "x_test"))
y, v = torch.from_numpy(z["y_train"]), torch.from_numpy(z["y_test"])
net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)).to(kind)
optimizer = torch.optim.Adam(net.parameters(), lr=run["rate"])
ce = nn.CrossEntropyLoss()
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), 30, shuffle=True):
        optimizer.zero_grad()
        loss = ce(net(a), b)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = net(u)
    print(epoch, ce(out, v).item(), (out.argmax(1) == v).float().mean().item())
