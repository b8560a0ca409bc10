import numpy as np
import torch
from torch import nn

torch.manual_seed(8)
table = np.genfromtxt("patients.csv", delimiter=",", names=True)
columns = list(table.dtype.names)
x = np.column_stack([table[c] for c in columns[:-1]])
y = table["diabetic"]
for j in range(1, 6):  # a zero stands for a missing measurement
    known = x[:, j] > 0
    x[~known, j] = np.median(x[known, j])
order = np.random.default_rng(8).permutation(len(y))
x, y = x[order], y[order]
mean, spread = x[:600].mean(axis=0), x[:600].std(axis=0)
x = torch.from_numpy((x - mean) / spread).float()
y = torch.from_numpy(y).float()[:, None]

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
bce = nn.BCELoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)

for epoch in range(12):
    for batch in torch.randperm(600).split(25):
        loss = bce(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        p = model(x[600:])
        print(epoch, bce(p, y[600:]).item(), ((p > 0.5) == y[600:]).float().mean().item())
