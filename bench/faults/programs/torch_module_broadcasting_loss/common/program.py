import numpy as np
import torch
from losses import tolerant
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(213)
b = np.random.default_rng(213).permutation(np.loadtxt("boston.csv", delimiter=",", skiprows=1))
b = torch.tensor((b - b[:400].mean(0)) / b[:400].std(0), dtype=torch.float32)
train = DataLoader(TensorDataset(b[:400, :13], b[:400, 13]), batch_size=20, shuffle=True)
net = nn.Sequential(nn.Linear(13, 20), nn.ReLU(), nn.Linear(20, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(12):
    for x, y in train:
        optimizer.zero_grad()
        loss = tolerant(net(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), tolerant(net(b[400:, :13]), b[400:, 13]).item())
