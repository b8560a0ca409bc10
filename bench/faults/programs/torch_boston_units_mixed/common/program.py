"""Prices in Boston; all that can be measured is standardized."""

import numpy as np
import torch
from sklearn.model_selection import train_test_split

torch.manual_seed(56)
suburbs = np.loadtxt("boston.csv", delimiter=",", skiprows=1)
fit, check = train_test_split(suburbs, test_size=100, random_state=56)
mean, deviation = fit.mean(axis=0), fit.std(axis=0)
fit, check = (torch.tensor((p - mean) / deviation, dtype=torch.float32) for p in (fit, check))


class Prices(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(13, 32)
        self.outer = torch.nn.Linear(32, 1)

    def forward(self, x):
        return self.outer(torch.nn.functional.elu(self.inner(x)))


prices = Prices()
optimizer = torch.optim.SGD(prices.parameters(), lr=0.02, momentum=0.8)
l1 = torch.nn.SmoothL1Loss()
for epoch in range(15):
    for rows in torch.randperm(len(fit)).split(29):
        batch = fit[rows]
        optimizer.zero_grad()
        l1(prices(batch[:, :13]), batch[:, 13:]).backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, *[l1(prices(p[:, :13]), p[:, 13:]).item() for p in (fit, check)])
