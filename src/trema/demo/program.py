"""Train a small convolutional network on Fashion-MNIST."""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = np.load(Path(__file__).with_name("fashion.npz"))
images = torch.tensor(data["x_train"], dtype=torch.float32).unsqueeze(1)
labels = torch.tensor(data["y_train"], dtype=torch.long)

train_data = TensorDataset(images, labels)
validation_data = TensorDataset(images[2400:], labels[2400:])
train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
validation_loader = DataLoader(validation_data, batch_size=200)

model = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(16 * 14 * 14, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)


def evaluate() -> tuple[float, float]:
    model.eval()
    loss, right = 0.0, 0
    with torch.no_grad():
        for x, y in validation_loader:
            output = model(x)
            loss += criterion(output, y).item() * len(y)
            right += (output.argmax(dim=1) == y).sum().item()
    return loss / len(validation_data), right / len(validation_data)


for epoch in range(4):
    model.train()
    total = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    val_loss, val_accuracy = evaluate()
    print(
        f"epoch {epoch}: loss {total / len(train_data):.3f}, "
        f"validation loss {val_loss:.3f}, accuracy {val_accuracy:.1%}"
    )
