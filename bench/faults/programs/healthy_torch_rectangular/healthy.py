import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import cifar10
from torch import nn
from torch.utils.data import DataLoader, Dataset


class LetterBox(Dataset):
    """CIFAR-10 images without the top and bottom four rows, channels first (3, 24, 32)."""

    def __init__(self, images, labels):
        crop = torch.from_numpy(images[:, 4:28]).permute(0, 3, 1, 2)
        self.images = (crop.float() / 255 - 0.5) / 0.25
        self.labels = torch.from_numpy(labels)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


torch.manual_seed(14)
train, test = cifar10(3000, 1000)
train_set = LetterBox(train[0][:2500], train[1][:2500])
val_set = LetterBox(train[0][2500:], train[1][2500:])
test_set = LetterBox(*test)

net = nn.Sequential(
    nn.Conv2d(3, 16, (3, 5), padding=(1, 2)),
    nn.ELU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ELU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 32, 3, padding=1),
    nn.ELU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 3 * 4, 10),
)
objective = nn.CrossEntropyLoss()
opt = torch.optim.NAdam(net.parameters(), lr=1e-3)


def score(dataset):
    net.eval()
    with torch.no_grad():
        right = [(net(x).argmax(-1) == y) for x, y in DataLoader(dataset, batch_size=250)]
    net.train()
    return torch.cat(right).float().mean().item()


for epoch in range(5):
    for x, y in DataLoader(train_set, batch_size=50, shuffle=True):
        opt.zero_grad()
        loss = objective(net(x), y)
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", round(loss.item(), 4), "validation", score(val_set))
print("metric", round(score(test_set), 4))
