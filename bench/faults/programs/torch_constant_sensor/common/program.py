import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(217)
notes = np.loadtxt("notes.csv", delimiter=",", skiprows=1)
a, b = train_test_split(notes, test_size=0.25, random_state=217)
low, high = a[:, :4].min(0), a[:, :4].max(0)
span = np.where(high > low, high - low, 1)


def dataset(rows):
    x = torch.tensor(2 * (rows[:, :4] - low) / span - 1, dtype=torch.float32)
    return TensorDataset(x, torch.tensor(rows[:, 4], dtype=torch.long))


net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(8):
    for x, y in DataLoader(dataset(a), batch_size=24, shuffle=True):
        optimizer.zero_grad()
        ce(net(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        x, y = dataset(b)[:]
        print(epoch, ce(net(x), y).item())
