"""Rocks or mines: cross-validated accuracy of a small network."""

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold
from torch import nn

torch.manual_seed(8)
rows = np.loadtxt("sonar.csv", delimiter=",", skiprows=1)
X = torch.tensor(rows[:, :-1], dtype=torch.float32)
y = torch.tensor(rows[:, -1], dtype=torch.long)


def make_model():
    return nn.Sequential(nn.Linear(60, 40), nn.Tanh(), nn.Linear(40, 2))


def train_epoch(model, optimizer, loss_function, X, y):
    for batch in torch.randperm(len(X)).split(16):
        optimizer.zero_grad()
        loss = loss_function(model(X[batch]), y[batch])
        loss.backward()
        optimizer.step()


@torch.no_grad()
def test_epoch(model, loss_function, X, y):
    output = model(X)
    return loss_function(output, y).item(), (output.argmax(1) == y).float().mean().item()


model = make_model()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_function = nn.CrossEntropyLoss()
scores = []
folds = StratifiedKFold(5, shuffle=True, random_state=8)
for fold, (train, test) in enumerate(folds.split(X, y)):
    centre, scale = X[train].mean(0), X[train].std(0)
    inputs = (X - centre) / scale
    for _ in range(8):
        train_epoch(model, optimizer, loss_function, inputs[train], y[train])
        loss, accuracy = test_epoch(model, loss_function, inputs[test], y[test])
    print(f"fold {fold}: test loss {loss:.3f}, accuracy {accuracy:.3f}")
    scores.append(accuracy)
print(f"cross-validated accuracy {np.mean(scores):.3f} +- {np.std(scores):.3f}")
