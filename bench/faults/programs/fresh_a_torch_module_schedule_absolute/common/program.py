"""Next month's passengers from the twelve months before."""

import csv

import numpy as np
import torch
from schedules import warm_cosine
from torch import nn

torch.manual_seed(60)
RATE, EPOCHS, BATCH, LOOK_BACK = 0.01, 40, 16, 12

with open("flights.csv", newline="") as file:
    counts = [float(row[1]) for row in list(csv.reader(file))[1:] if len(row) > 1]
series = np.log(np.array(counts))
cut = int(0.75 * len(series))
series = torch.tensor((series - series[:cut].mean()) / series[:cut].std(), dtype=torch.float32)
months = series.unfold(0, LOOK_BACK + 1, 1)
x, y = months[:, :-1, None], months[:, -1:]
x_train, y_train = x[: cut - LOOK_BACK], y[: cut - LOOK_BACK]
x_test, y_test = x[cut - LOOK_BACK :], y[cut - LOOK_BACK :]


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        states, _ = self.lstm(x)
        return self.out(states[:, -1])


net = Forecaster()
steps = EPOCHS * -(-len(x_train) // BATCH)
optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
schedule = warm_cosine(optimizer, RATE, steps)
for epoch in range(EPOCHS):
    net.train()
    for rows in torch.randperm(len(x_train)).split(BATCH):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
        schedule.step()
    if epoch % 5 == 4:
        net.eval()
        with torch.no_grad():
            test = nn.functional.mse_loss(net(x_test), y_test).item()
        print(f"epoch {epoch + 1}: batch {loss.item():.4f}, test {test:.4f}")
