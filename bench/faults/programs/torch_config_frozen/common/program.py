"""Put a new head on a trained body and train what tune.json leaves free."""

import json

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(65)
with open("tune.json") as file:
    tune = json.load(file)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(784, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.body(x))


network = Network()
network.body.load_state_dict(torch.load("body.pt"))
for name, parameter in network.named_parameters():
    if name.startswith(tuple(tune["freeze"])):
        parameter.requires_grad = False
free = [p for p in network.parameters() if p.requires_grad]
optimizer = torch.optim.Adam(free, lr=tune["rate"])
z = np.load("fashion.npz")
data = TensorDataset(
    torch.tensor(z["x_train"][800:]).flatten(1) / 255.0, torch.tensor(z["y_train"][800:])
)
x_val, y_val = torch.tensor(z["x_test"]).flatten(1) / 255.0, torch.tensor(z["y_test"])
loss_fn = nn.CrossEntropyLoss()
for epoch in range(6):
    for x, y in DataLoader(data, batch_size=35, shuffle=True):
        optimizer.zero_grad()
        loss_fn(network(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss_fn(network(x_val), y_val).item())
