import numpy as np
import torch
from torch import nn

torch.manual_seed(204)
h = np.loadtxt("houses.csv", delimiter=",", skiprows=1).astype(np.float32)
h = torch.from_numpy((h - h[:1600].mean(0)) / h[:1600].std(0))
net = nn.Sequential(nn.Linear(8, 32), nn.Mish(), nn.Linear(32, 1))
optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=20.0)
loss_fn = nn.MSELoss()
for epoch in range(9):
    for rows in torch.randperm(1600).chunk(40):
        optimizer.zero_grad()
        loss = loss_fn(net(h[rows, :8]), h[rows, 8:])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), loss_fn(net(h[1600:, :8]), h[1600:, 8:]).item())
