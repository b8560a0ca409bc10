import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(11)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 5, stride=2)
        self.hidden = nn.Linear(12 * 12 * 12, 64)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = F.relu(self.hidden(torch.flatten(x, 1)))
        return F.softmax(self.out(x), dim=1)


def batches(images, labels, **options):
    x = torch.from_numpy(images).unsqueeze(1).float().div(255).sub(0.286).div(0.353)
    return DataLoader(TensorDataset(x, torch.from_numpy(labels)), **options)


with np.load("clothes.npz") as saved:
    train = batches(saved["x_train"], saved["y_train"], batch_size=64, shuffle=True)
    test = batches(saved["x_test"], saved["y_test"], batch_size=200)

model = Classifier()
loss_fn = nn.CrossEntropyLoss()
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(4):
    model.train()
    for x, y in train:
        loss = loss_fn(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in test)
        held = sum(loss_fn(model(x), y).item() for x, y in test) / len(test)
    print(f"epoch {epoch} val loss {held:.3f} accuracy {hits / 400:.3f}")
