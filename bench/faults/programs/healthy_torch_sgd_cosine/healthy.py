import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import fashion
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

torch.manual_seed(10)
EPOCHS = 5

(x, y), (x_test, y_test) = fashion(5000, 1000)
x = (torch.from_numpy(x).float()[:, None] / 255 - 0.2860) / 0.3530
x_test = (torch.from_numpy(x_test).float()[:, None] / 255 - 0.2860) / 0.3530
y, y_test = torch.from_numpy(y), torch.from_numpy(y_test)
x_train, x_val = x[:4500], x[4500:]
y_train, y_val = y[:4500], y[4500:]


def block(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True)
    )


model = nn.Sequential(
    block(1, 8),
    nn.MaxPool2d(2),
    block(8, 16),
    nn.MaxPool2d(2),
    block(16, 32),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
)
optimizer = torch.optim.SGD(
    model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
)
scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
criterion = nn.CrossEntropyLoss(label_smoothing=0.05)

for epoch in range(EPOCHS):
    model.train()
    for rows in torch.randperm(len(x_train)).split(90):
        optimizer.zero_grad()
        loss = criterion(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    lr = scheduler.get_last_lr()[0]
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(x_val), y_val).item()
    print(f"epoch {epoch} lr {lr:.4f} train {loss.item():.4f} val {val_loss:.4f}")

with torch.no_grad():
    print("metric", round((model(x_test).argmax(1) == y_test).float().mean().item(), 4))
