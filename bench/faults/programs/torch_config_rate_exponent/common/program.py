import tomllib

import numpy as np
import torch
from torch import nn

torch.manual_seed(211)
with open("search.toml", "rb") as file:
    best = tomllib.load(file)
sheet = np.loadtxt("houses.csv", delimiter=",", skiprows=1)
center, spread = np.median(sheet[:1400], axis=0), sheet[:1400].std(axis=0)
sheet = torch.tensor((sheet - center) / spread, dtype=torch.float32)
model = nn.Sequential(nn.Linear(8, best["hidden"]), nn.ReLU(), nn.Linear(best["hidden"], 1))
optimizer = torch.optim.NAdam(model.parameters(), lr=10 ** best["log_rate"])
l1 = nn.L1Loss()
for epoch in range(8):
    for rows in torch.randperm(1400).split(best["batch"]):
        optimizer.zero_grad()
        l1(model(sheet[rows, :-1]), sheet[rows, -1:]).backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, l1(model(sheet[1400:, :-1]), sheet[1400:, -1:]).item())
