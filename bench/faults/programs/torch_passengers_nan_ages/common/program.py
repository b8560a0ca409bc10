import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(55)
people = np.genfromtxt("passengers.csv", delimiter=",", skip_header=1, dtype="float32")
people[:, 4] = np.log1p(people[:, 4])
x, y = torch.from_numpy(people[:, :-1]), torch.from_numpy(people[:, -1:])
x = (x - torch.nanmean(x, 0)) / torch.tensor(np.nanstd(people[:, :-1], axis=0))
train, val = random_split(TensorDataset(x, y), [700, 191])

net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(12):
    for batch, target in DataLoader(train, batch_size=20, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(batch), target)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        batch, target = val[:]
        print(epoch, criterion(net(batch), target).item())
