import numpy as np
import torch
from torch import nn

torch.manual_seed(31)
with np.load("fashion.npz") as f:
    x = torch.from_numpy(f["x_train"]).float().flatten(1) / 255 - 0.29
    y = torch.from_numpy(f["y_train"])
    x_val = torch.from_numpy(f["x_test"]).float().flatten(1) / 255 - 0.29
    y_val = torch.from_numpy(f["y_test"])


def build(hidden):
    return nn.Sequential(nn.Linear(784, hidden), nn.GELU(), nn.Linear(hidden, 10))


model = build(32)
model = build(96)  # the wider one did better last week
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(5):
    total = 0.0
    for rows in torch.randperm(len(x)).split(50):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        accuracy = (model(x_val).argmax(1) == y_val).float().mean()
        held = loss_fn(model(x_val), y_val)
    print(epoch, total / 40, held.item(), accuracy.item())
