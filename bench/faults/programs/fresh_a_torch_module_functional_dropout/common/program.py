import numpy as np
import torch
from blocks import ResidualBlock
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)


class Tabular(nn.Module):
    def __init__(self, features, width=32, depth=2, drop=0.4):
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, drop) for _ in range(depth))
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x).squeeze(-1)


table = np.loadtxt("homes.csv", delimiter=",", skiprows=1).astype("float32")
mean, std = table[:1400].mean(0), table[:1400].std(0)
table = torch.from_numpy((table - mean) / std)
loader = DataLoader(TensorDataset(table[:1400, :8], table[:1400, 8]), 35, shuffle=True)
x_val, y_val = table[1400:, :8], table[1400:, 8]

model = Tabular(8)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
huber = nn.SmoothL1Loss()
for epoch in range(10):
    model.train()
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = huber(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        guess = model(x_val)
    r2 = 1 - ((guess - y_val) ** 2).mean() / y_val.var()
    val = huber(guess, y_val).item()
    print(f"epoch {epoch}: train {np.mean(losses):.3f}, val {val:.3f}, R2 {r2:.3f}")
