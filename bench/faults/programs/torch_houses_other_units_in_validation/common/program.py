import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(60)


def read(name):
    rows = torch.tensor(np.loadtxt(name, delimiter=",", skiprows=1), dtype=torch.float32)
    return TensorDataset(rows[:, :-1], rows[:, -1:])


train = DataLoader(read("train.csv"), batch_size=50, shuffle=True)
valid = DataLoader(read("valid.csv"), batch_size=250)
model = nn.Sequential(nn.Linear(8, 64), nn.SiLU(), nn.Linear(64, 1))
mse = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    model.train()
    for x, y in train:
        loss = mse(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        held = np.mean([mse(model(x), y).item() for x, y in valid])
    print(f"{epoch} {loss.item():.3f} {held:.3f}")
