import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(51)
store = np.load("fashion.npz")


def part(name):
    x = torch.from_numpy(store[f"x_{name}"].astype("float32"))[:, None] / 255
    return TensorDataset(x, torch.from_numpy(store[f"y_{name}"]))


net = nn.Sequential(
    nn.Conv2d(1, 10, 3, stride=2),
    nn.BatchNorm2d(10),
    nn.ReLU(),
    nn.Conv2d(10, 20, 3, stride=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(720, 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(4):
    net.train()
    for x, y in DataLoader(part("train"), batch_size=45, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        right = torch.cat([net(x).argmax(1) == y for x, y in DataLoader(part("test"), 200)])
    print("epoch", epoch, loss.item(), right.float().mean().item())
