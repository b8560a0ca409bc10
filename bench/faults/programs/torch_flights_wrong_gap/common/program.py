"""A recurrent network continues a series of monthly changes."""

import numpy as np
import torch
from torch import nn

torch.manual_seed(304)
series = np.genfromtxt("flights.csv", delimiter=",", skip_header=1, usecols=1)
series = (series - series[:110].mean()) / series[:110].std()
windows = np.lib.stride_tricks.sliding_window_view(series, 13).astype("float32")
windows = torch.from_numpy(windows.copy()).unsqueeze(2)
fit, later = windows[:98], windows[98:]


class Forecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(1, 20, batch_first=True)
        self.answer = nn.Linear(20, 1)

    def forward(self, months):
        return self.answer(self.memory(months)[0][:, -1])


forecast = Forecast()
optimizer = torch.optim.Adam(forecast.parameters(), lr=8e-3)
huber = nn.HuberLoss()
for epoch in range(25):
    for rows in torch.randperm(len(fit)).split(14):
        optimizer.zero_grad()
        loss = huber(forecast(fit[rows, :12]), fit[rows, 12])
        loss.backward()
        nn.utils.clip_grad_norm_(forecast.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), huber(forecast(later[:, :12]), later[:, 12]).item())
