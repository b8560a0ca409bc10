import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(52)
saved = np.load("mnist.npz")
x_train, x_test = (torch.tensor(saved[k]).float().flatten(1) / 255 for k in ("x_train", "x_test"))
y_train, y_test = (torch.tensor(saved[k]) for k in ("y_train", "y_test"))

model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
criterion = nn.CrossEntropyLoss()
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)
for epoch in range(6):
    running = 0.0
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item() / len(loader)
    model.eval()
    with torch.no_grad():
        scores = model(x_test)
    hits = (scores.argmax(1) == y_test).float().mean().item()
    print(epoch, running, criterion(scores, y_test).item(), hits)
