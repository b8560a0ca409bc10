import engine
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(67)
data = np.loadtxt("houses.csv", delimiter=",", skiprows=1)
mean, std = data[:1600].mean(0), data[:1600].std(0)
data = torch.tensor((data - mean) / std, dtype=torch.float32)
train = TensorDataset(data[:1600, :8], data[:1600, 8:])
x_val, y_val = data[1600:, :8], data[1600:, 8:]

model = nn.Sequential(nn.Linear(8, 30), nn.Tanh(), nn.Linear(30, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loss_fn = nn.MSELoss()
for epoch in range(10):
    model.train()
    losses = [
        engine.step(model, batch, loss_fn, optimizer)
        for batch in DataLoader(train, batch_size=40, shuffle=True)
    ]
    model.eval()
    with torch.no_grad():
        print(epoch, np.mean(losses), loss_fn(model(x_val), y_val).item())
