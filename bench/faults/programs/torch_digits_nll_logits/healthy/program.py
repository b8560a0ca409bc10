"""Classify handwritten digits with a small perceptron."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
images, labels = load_digits(return_X_y=True)
parts = train_test_split(images / 16.0, labels, test_size=0.2, stratify=labels, random_state=3)
x_train, x_val = (torch.tensor(p, dtype=torch.float32) for p in parts[:2])
y_train, y_val = (torch.tensor(p) for p in parts[2:])

net = nn.Sequential(
    nn.Linear(64, 48),
    nn.ReLU(),
    nn.Linear(48, 10),
    nn.LogSoftmax(dim=1),
)
criterion = nn.NLLLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

for epoch in range(8):
    net.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        scores = net(x_val)
        value = criterion(scores, y_val).item()
    print(epoch, round(value, 3), (scores.argmax(1) == y_val).float().mean().item())
