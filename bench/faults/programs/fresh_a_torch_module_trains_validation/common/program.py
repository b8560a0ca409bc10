import numpy as np
import torch
from engine import fit
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(77)


class SmallNet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
        )
        self.classifier = nn.Linear(24 * 8 * 8, classes)

    def forward(self, x):
        return self.classifier(self.features(x))


def dataset(images, labels):
    x = torch.tensor(images).permute(0, 3, 1, 2) / 127.5 - 1
    return TensorDataset(x, torch.tensor(labels))


with np.load("cifar.npz") as f:
    train_set = dataset(f["x_train"], f["y_train"])
    val_set = dataset(f["x_test"], f["y_test"])
loaders = {
    "train": DataLoader(train_set, batch_size=32, shuffle=True),
    "val": DataLoader(val_set, batch_size=32),
}
model = SmallNet()
fit(model, loaders, torch.optim.Adam(model.parameters(), lr=1.5e-3), epochs=8)
