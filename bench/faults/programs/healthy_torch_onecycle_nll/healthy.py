import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import mnist
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def loader(images, labels, shuffle):
    images = torch.tensor(images, dtype=torch.float32).unsqueeze(1)
    images = (images / 255 - 0.1307) / 0.3081
    return DataLoader(TensorDataset(images, torch.tensor(labels)), 64, shuffle=shuffle)


def train(model, batches, epochs=3, max_lr=0.05):
    optimizer = optim.SGD(model.parameters(), lr=max_lr / 25, momentum=0.9)
    schedule = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=max_lr, epochs=epochs, steps_per_epoch=len(batches)
    )
    for epoch in range(epochs):
        model.train()
        for x, y in batches:
            optimizer.zero_grad()
            loss = nn.functional.nll_loss(model(x), y)
            loss.backward()
            optimizer.step()
            schedule.step()
        print("epoch", epoch, "loss", loss.item())


def test(model, batches):
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in batches)
    return right / len(batches.dataset)


torch.manual_seed(6)
(x, y), (x_test, y_test) = mnist(6000, 1000)
net = nn.Sequential(
    nn.Conv2d(1, 8, 5, stride=2),
    nn.MaxPool2d(2),
    nn.ReLU(),
    nn.Conv2d(8, 24, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(24 * 4 * 4, 10),
    nn.LogSoftmax(dim=1),
)
train(net, loader(x, y, True))
print("metric", round(test(net, loader(x_test, y_test, False)), 4))
