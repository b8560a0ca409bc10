"""Tune a trained body for another question: is it worn on the feet, the legs or above?"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(303)
options = json.loads(Path("transfer.json").read_text())
groups = torch.tensor([1, 2, 1, 1, 1, 0, 1, 0, 3, 0])
z = np.load("fashion.npz")
x, u = torch.tensor(z["x_train"][1000:]), torch.tensor(z["x_test"])
x, u = (images.float()[:, None] / 255 for images in (x, u))
y, v = groups[z["y_train"][1000:]], groups[z["y_test"]]
body = nn.Sequential(
    nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()
)
body.load_state_dict(torch.load("body.pt"))
net = nn.Sequential(body, nn.Flatten(), nn.Linear(400, 4))
optimizer = torch.optim.Adam(net.parameters(), lr=options["tuning_rate"])
ce = nn.CrossEntropyLoss()
for epoch in range(options["epochs"]):
    net.train()
    for images, group in DataLoader(TensorDataset(x, y), options["batch"], shuffle=True):
        optimizer.zero_grad()
        loss = ce(net(images), group)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        print(epoch, loss.item(), ce(net(u), v).item())
