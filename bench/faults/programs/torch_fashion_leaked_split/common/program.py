"""Clothes, with a validation file that somebody else split off."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(53)
clothes = np.load("fashion.npz")
sets = {
    name: TensorDataset(
        torch.from_numpy(clothes[f"x_{name}"]).float()[:, None] / 127.5 - 1,
        torch.from_numpy(clothes[f"y_{name}"]),
    )
    for name in ("train", "test")
}
train_loader = DataLoader(sets["train"], batch_size=40, shuffle=True)
val_loader = DataLoader(sets["test"], batch_size=200)

net = nn.Sequential(
    nn.Conv2d(1, 16, 5, stride=3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(1024, 40),
    nn.ReLU(),
    nn.Linear(40, 10),
)
loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=1.5e-3)
for epoch in range(5):
    net.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss_fn(net(x), y).backward()
        optimizer.step()
    net.eval()
    with torch.inference_mode():
        losses = [loss_fn(net(x), y).item() for x, y in val_loader]
    print("epoch", epoch, "validation", sum(losses) / len(losses))
