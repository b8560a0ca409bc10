import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from data import california
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.manual_seed(0)

X, y = california()
X_train, X_test, y_train, y_test = train_test_split(X, y / 1e5, test_size=0.2, random_state=0)
scaler = StandardScaler().fit(X_train)
target = StandardScaler().fit(y_train[:, None])

X_train = torch.tensor(scaler.transform(X_train), dtype=torch.float32)
X_test = torch.tensor(scaler.transform(X_test), dtype=torch.float32)
y_train = torch.tensor(target.transform(y_train[:, None]), dtype=torch.float32)
y_test = torch.tensor(target.transform(y_test[:, None]), dtype=torch.float32)

model = nn.Sequential(
    nn.Linear(8, 64),
    nn.Tanh(),
    nn.Linear(64, 32),
    nn.Tanh(),
    nn.Linear(32, 1),
)
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

for epoch in range(8):
    losses = []
    for rows in torch.randperm(len(X_train)).split(128):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        test_mse = loss_fn(model(X_test), y_test).item()
    print(f"epoch {epoch}: train mse {np.mean(losses):.4f}, test mse {test_mse:.4f}")

print("metric", round(1 - test_mse / y_test.var(correction=0).item(), 4))
