import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(17)
raw = np.loadtxt("california.csv", delimiter=",", skiprows=1)
raw = raw[np.random.default_rng(17).permutation(len(raw))]
raw = (raw - raw[:1900].mean(0)) / raw[:1900].std(0)
cut = torch.tensor(raw, dtype=torch.float32)
train = TensorDataset(cut[:1900, :-1], cut[:1900, -1:])
valid = TensorDataset(cut[1900:, :-1], cut[1900:, -1:])


class Stack(nn.Module):
    def __init__(self, width=40, depth=3):
        super().__init__()
        self.first = nn.Linear(8, width)
        self.blocks = [nn.Linear(width, width) for _ in range(depth)]
        self.last = nn.Linear(width, 1)

    def forward(self, x):
        x = torch.relu(self.first(x))
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.last(x)


stack = Stack()
mse = nn.MSELoss()
optimizer = torch.optim.Adam(stack.parameters(), lr=1e-3)
for epoch in range(8):
    stack.train()
    for x, y in DataLoader(train, 38, shuffle=True):
        optimizer.zero_grad()
        loss = mse(stack(x), y)
        loss.backward()
        optimizer.step()
    stack.eval()
    with torch.no_grad():
        print(
            epoch,
            loss.item(),
            np.mean([mse(stack(x), y).item() for x, y in DataLoader(valid, 250)]),
        )
