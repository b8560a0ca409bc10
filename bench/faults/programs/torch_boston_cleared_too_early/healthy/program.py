import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(203)
values = torch.tensor(np.loadtxt("boston.csv", delimiter=",", skiprows=1), dtype=torch.float32)
values = (values - values.mean(0)) / values.std(0)
train, val = random_split(TensorDataset(values[:, :13], values[:, 13]), [406, 100])
linear = torch.nn.Sequential(torch.nn.Linear(13, 16), torch.nn.Softplus(), torch.nn.Linear(16, 1))
optimizer = torch.optim.RMSprop(linear.parameters(), lr=2e-3)
mse = torch.nn.MSELoss()
for epoch in range(12):
    for x, y in DataLoader(train, 14, shuffle=True):
        loss = mse(linear(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        x, y = val[:]
        print(epoch, mse(linear(x).squeeze(1), y).item())
