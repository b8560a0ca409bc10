import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import cifar10
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 4
torch.manual_seed(20)

(x, y), (x_test, y_test) = cifar10(3000, 1000)
x = torch.as_tensor(x).permute(0, 3, 1, 2).float() / 127.5 - 1
x_test = torch.as_tensor(x_test).permute(0, 3, 1, 2).float() / 127.5 - 1
train = TensorDataset(x[:2560], torch.as_tensor(y[:2560]))
valid = TensorDataset(x[2560:], torch.as_tensor(y[2560:]))

model = nn.Sequential(
    nn.Conv2d(3, 24, 3, stride=2, padding=1),
    nn.GroupNorm(4, 24),
    nn.SiLU(),
    nn.Conv2d(24, 48, 3, stride=2, padding=1),
    nn.GroupNorm(4, 48),
    nn.SiLU(),
    nn.AvgPool2d(2),
    nn.Flatten(),
    nn.Linear(48 * 16, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(4):
    model.train()
    optimizer.zero_grad()
    total = 0.0
    for step, (images, labels) in enumerate(DataLoader(train, 16, shuffle=True), start=1):
        loss = criterion(model(images), labels)
        (loss / ACCUMULATE).backward()
        total += loss.item()
        if step % ACCUMULATE == 0:
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    with torch.inference_mode():
        losses = [criterion(model(a), b).item() for a, b in DataLoader(valid, 110)]
    print(f"epoch {epoch}: train {total / step:.3f} val {sum(losses) / len(losses):.3f}")

with torch.inference_mode():
    right = (model(x_test).argmax(1).numpy() == y_test).mean()
print("metric", round(float(right), 4))
