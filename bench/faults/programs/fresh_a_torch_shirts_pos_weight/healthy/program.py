"""Find the shirts among all the other clothes; one image in ten is a shirt."""

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import balanced_accuracy_score, recall_score
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(11)
SHIRT = 6
archive = np.load("fashion.npz")


def tensors(part):
    images = torch.from_numpy(archive[f"x_{part}"]).float().div(255).sub(0.286).div(0.353)
    return images.flatten(1), torch.from_numpy(archive[f"y_{part}"] == SHIRT).float()


x_train, y_train = tensors("train")
x_test, y_test = tensors("test")

positive = y_train.sum()
negative = len(y_train) - positive
pos_weight = negative / positive

net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 1))
criterion = nn.BCEWithLogitsLoss(pos_weight=pos_weight)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)

for epoch in range(6):
    net.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(net(xb).squeeze(1), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    net.eval()
    with torch.no_grad():
        logits = net(x_test).squeeze(1)
        val_loss = criterion(logits, y_test).item()
    found = (logits > 0).numpy()
    recall = recall_score(y_test, found)
    balanced = balanced_accuracy_score(y_test, found)
    print(f"{epoch} train {total / len(x_train):.3f} val {val_loss:.3f}")
    print(f"  recall {recall:.3f} balanced accuracy {balanced:.3f}")
