"""Train a small CNN on CIFAR-10."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import torch.nn as nn
from data import cifar10
from torch.utils.data import DataLoader, Subset, TensorDataset

LEARNING_RATE = 1e-3
MEAN = torch.tensor([0.4914, 0.4822, 0.4465])
STD = torch.tensor([0.2470, 0.2435, 0.2616])


class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.conv3 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv4 = nn.Conv2d(32, 32, 3, padding=1)
        self.conv5 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, num_classes)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        x = self.conv1(x)
        x = self.pool(self.conv2(x))
        x = self.conv3(x)
        x = self.pool(self.conv4(x))
        x = self.pool(self.conv5(x))
        x = self.fc1(x.flatten(1))
        return self.fc2(x)


def as_dataset(images, labels):
    images = (torch.from_numpy(images).float() / 255 - MEAN) / STD
    return TensorDataset(images.permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels))


def accuracy(net, loader):
    net.eval()
    with torch.no_grad():
        hits = [(net(x).argmax(1) == y).float() for x, y in loader]
    net.train()
    return torch.cat(hits).mean().item()


def main():
    torch.manual_seed(1)
    train, test = cifar10(3000, 1000)
    dataset = as_dataset(*train)
    train_loader = DataLoader(Subset(dataset, range(2500)), batch_size=50, shuffle=True)
    val_loader = DataLoader(Subset(dataset, range(2500, 3000)), batch_size=100)
    test_loader = DataLoader(as_dataset(*test), batch_size=100)

    net = Net()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters())
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE

    for epoch in range(4):
        for images, labels in train_loader:
            loss = loss_fn(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}, val acc {accuracy(net, val_loader):.4f}")

    print("metric", round(accuracy(net, test_loader), 4))


if __name__ == "__main__":
    main()
