import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
import torch.nn.functional as F
from data import cifar10
from torch.utils.data import DataLoader, Dataset


class Cifar(Dataset):
    def __init__(self, images, labels):
        self.images = images
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = self.images[i].transpose(2, 0, 1).astype(np.float32)
        return torch.from_numpy(image), int(self.labels[i])


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = torch.nn.Conv2d(3, 32, 5, stride=2, padding=2)
        self.c2 = torch.nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.c3 = torch.nn.Conv2d(64, 64, 3, stride=2, padding=1)
        self.head = torch.nn.Linear(64 * 4 * 4, 10)

    def forward(self, x):
        x = F.relu(self.c1(x))
        x = F.relu(self.c2(x))
        x = F.relu(self.c3(x))
        return self.head(x.reshape(x.size(0), -1))


torch.manual_seed(5)
(x, y), (x_test, y_test) = cifar10(4000, 1000)
train_data = Cifar(x[:3200], y[:3200])
val_data = Cifar(x[3200:], y[3200:])
test_data = Cifar(x_test, y_test)

model = Model()
opt = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)


def run(data, train=False):
    model.train(train)
    losses, right = [], 0
    with torch.set_grad_enabled(train):
        for xb, yb in DataLoader(data, batch_size=64, shuffle=train):
            out = model(xb)
            loss = F.cross_entropy(out, yb)
            if train:
                opt.zero_grad()
                loss.backward()
                opt.step()
            losses.append(loss.item())
            right += int((out.argmax(dim=1) == yb).sum())
    return sum(losses) / len(losses), right / len(data)


for epoch in range(5):
    print(epoch, "train", run(train_data, train=True), "val", run(val_data))
print("metric", round(run(test_data)[1], 4))
