import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(216)
archive = np.load("mnist.npz")
inputs = {p: torch.from_numpy(archive[f"x_{p}"]).float()[:, None] / 255 for p in ("train", "test")}
truth = {p: torch.from_numpy(archive[f"y_{p}"]) for p in ("train", "test")}
net = nn.Sequential(
    nn.Conv2d(1, 8, 3),
    nn.ReLU(),
    nn.MaxPool2d(3),
    nn.Flatten(),
    nn.Dropout(0.2),
    nn.Linear(512, 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(4):
    net.train()
    for x, y in DataLoader(TensorDataset(inputs["train"], truth["train"]), 36, shuffle=True):
        optimizer.zero_grad()
        loss = ce(net(x), y)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, loss.item(), ce(net(inputs["test"]), truth["test"]).item())
