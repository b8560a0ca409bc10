import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(212)
options = json.loads(Path("loader.json").read_text())
z = np.load("fashion.npz")
scaled = {k: torch.tensor(z[k]).float()[:, None] / 255 - 0.3 for k in ("x_train", "x_test")}
train = TensorDataset(scaled["x_train"], torch.tensor(z["y_train"]))
loader = DataLoader(train, **options)
net = nn.Sequential(
    nn.Conv2d(1, 6, 5, stride=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(864, 32),
    nn.ReLU(),
    nn.Linear(32, 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=1.2e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(4):
    for x, y in loader:
        optimizer.zero_grad()
        loss = ce(net(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = net(scaled["x_test"])
        print(epoch, ce(out, torch.tensor(z["y_test"])).item())
