import numpy as np
import torch
from nets import ConvNet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(66)
pile = np.load("fashion.npz")


def dataset(which):
    x = torch.from_numpy(pile["x_" + which]).float()[:, None]
    return TensorDataset((x - 73) / 90, torch.from_numpy(pile["y_" + which]))


model = ConvNet(classes=10)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(4):
    model.train()
    for x, y in DataLoader(dataset("train"), 30, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        losses = [criterion(model(x), y).item() for x, y in DataLoader(dataset("test"), 200)]
    print(f"epoch {epoch}: {np.mean(losses):.4f}")
