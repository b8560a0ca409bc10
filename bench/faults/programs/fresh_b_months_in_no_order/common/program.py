"""One month ahead: a GRU reads a year of passengers."""

import csv

import numpy as np
import torch
from torch import nn

torch.manual_seed(33)
WINDOW = 12


def read_series(path):
    with open(path, newline="") as f:
        return np.array([float(row["passengers"]) for row in csv.DictReader(f)], dtype=np.float32)


def windows(series):
    x = np.stack([series[i : i + WINDOW] for i in range(len(series) - WINDOW)])
    return torch.tensor(x).unsqueeze(-1), torch.tensor(series[WINDOW:]).unsqueeze(-1)


series = np.log(read_series("traffic.csv"))
growth = np.diff(series)
growth = (growth - growth.mean()) / growth.std()
x, y = windows(growth)
split = len(x) - 36
x_train, y_train, x_val, y_val = x[:split], y[:split], x[split:], y[split:]


class Forecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        states, _ = self.rnn(x)
        return self.out(states[:, -1])


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=25, gamma=0.5)
mse = nn.MSELoss()
for epoch in range(40):
    model.train()
    total = 0.0
    for batch in torch.randperm(split).split(16):
        optimizer.zero_grad()
        loss = mse(model(x_train[batch]), y_train[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(batch)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = mse(model(x_val), y_val).item()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: train {total / split:.3f} val {val:.3f}")
