import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import cifar10
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"

(x_train, y_train), (x_test, y_test) = cifar10(3000, 1000)
x_train = torch.from_numpy(x_train).permute(0, 3, 1, 2).float() / 255.0
x_test = torch.from_numpy(x_test).permute(0, 3, 1, 2).float() / 255.0
y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(y_test)

train_loader = DataLoader(TensorDataset(x_train[:2500], y_train[:2500]), 50, shuffle=True)
val_loader = DataLoader(TensorDataset(x_train[2500:], y_train[2500:]), 250)
test_loader = DataLoader(TensorDataset(x_test, y_test), 250)

model = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(32, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64 * 4 * 4, 128),
    nn.ReLU(),
    nn.Dropout(0.3),
    nn.Linear(128, 10),
    nn.LogSoftmax(dim=1),
).to(device)
criterion = nn.NLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def evaluate(loader):
    model.eval()
    loss = correct = count = 0
    with torch.no_grad():
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            output = model(x)
            loss += criterion(output, y).item() * len(y)
            correct += (output.argmax(1) == y).sum().item()
            count += len(y)
    return loss / count, correct / count


for epoch in range(6):
    model.train()
    running = 0.0
    for x, y in train_loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item()
    val_loss, val_accuracy = evaluate(val_loader)
    running /= len(train_loader)
    print(f"epoch {epoch} loss {running:.3f} val {val_loss:.3f} {val_accuracy:.3f}")

print("metric", round(evaluate(test_loader)[1], 4))
