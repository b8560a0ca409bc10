"""Diabetes in the Pima data, stopped where the validation loss was lowest."""

import copy

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn, optim

torch.manual_seed(31)
np.random.seed(31)

data = np.loadtxt("pima.csv", delimiter=",", skiprows=1, dtype=np.float32)
X_train, X_val, y_train, y_val = train_test_split(
    data[:, :-1], data[:, -1:], test_size=0.25, stratify=data[:, -1], random_state=31
)
mu, sigma = X_train.mean(0), X_train.std(0)
X_train, X_val = (torch.from_numpy((x - mu) / sigma) for x in (X_train, X_val))
y_train, y_val = torch.from_numpy(y_train), torch.from_numpy(y_val)

model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
loss_fn = nn.BCEWithLogitsLoss()
optimizer = optim.Adam(model.parameters(), lr=4e-3)

best_loss, best_weights, waited = np.inf, None, 0
patience = 8
for epoch in range(60):
    model.train()
    for batch in torch.randperm(len(X_train)).split(32):
        optimizer.zero_grad()
        loss_fn(model(X_train[batch]), y_train[batch]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = loss_fn(model(X_val), y_val).item()
    print(f"epoch {epoch:2d}  val_loss {val_loss:.4f}")
    if val_loss < best_loss:
        best_loss, waited = val_loss, 0
        best_weights = copy.deepcopy(model.state_dict())
    else:
        waited += 1
        if waited > patience:
            break

model.load_state_dict(best_weights)
with torch.no_grad():
    logits = model(X_val)
accuracy = ((logits > 0) == y_val).float().mean().item()
print(f"restored: val_loss {loss_fn(logits, y_val).item():.4f} accuracy {accuracy:.3f}")
print(f"best seen: {best_loss:.4f}")
