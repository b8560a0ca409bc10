import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from data import table
from torch import nn

np.random.seed(0)
torch.manual_seed(0)

x, y = table("boston_housing")
rows = np.random.permutation(len(x))
x, y = x[rows].astype("float32"), y[rows].astype("float32")
low, high = x[:400].min(axis=0), x[:400].max(axis=0)
x = torch.tensor((x - low) / (high - low))
y = torch.tensor((y - y[:400].mean()) / y[:400].std())

net = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=1e-4)
for epoch in range(40):
    for i in range(0, 400, 40):
        loss = nn.functional.smooth_l1_loss(net(x[i : i + 40]).squeeze(1), y[i : i + 40])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            test = nn.functional.mse_loss(net(x[400:]).squeeze(1), y[400:]).item()
        print(f"{epoch + 1:3d} {loss.item():.4f} {test:.4f}")

print("metric", round(1 - test / y[400:].var(correction=0).item(), 4))
