"""What a house in a Californian block costs."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(50)
table = np.loadtxt("houses.csv", delimiter=",", skiprows=1)
inputs = torch.tensor(table[:, :-1], dtype=torch.float32)
worth = torch.tensor(table[:, -1:] / 1e5, dtype=torch.float32)
fit, rest = slice(0, 1900), slice(1900, None)
inputs = (inputs - inputs[fit].mean(0)) / inputs[fit].std(0)

model = nn.Sequential(nn.Linear(8, 40), nn.ReLU(), nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
huber = nn.HuberLoss()
for epoch in range(8):
    model.train()
    for x, y in DataLoader(TensorDataset(inputs[fit], worth[fit]), 38, shuffle=True):
        optimizer.zero_grad()
        huber(model(x), y).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, *(huber(model(inputs[s]), worth[s]).item() for s in (fit, rest)))
