import torch
from files import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(70)
x, y = map(torch.from_numpy, load("fashion.npz", "train"))
x_val, y_val = map(torch.from_numpy, load("fashion.npz", "test"))
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 80), nn.ReLU(), nn.Linear(80, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    model.train()
    total = 0
    for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() / 50
    model.eval()
    with torch.no_grad():
        out = model(x_val)
    print(
        epoch, total, criterion(out, y_val).item(), (out.argmax(1) == y_val).float().mean().item()
    )
