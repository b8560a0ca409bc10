import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(58)
with np.load("mnist.npz") as archive:
    scaled = {k: torch.from_numpy(archive[k]) for k in archive.files}
train = TensorDataset((scaled["x_train"] / 255)[:, None], scaled["y_train"])
test = TensorDataset((scaled["x_test"] / 255)[:, None], scaled["y_test"])


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(1, 6, 7, stride=3)
        self.decide = nn.Linear(6 * 64, 10)

    def forward(self, x):
        return self.decide(F.relu(self.look(x)).flatten(1))


small = Small()
optimizer = torch.optim.SGD(small.parameters(), lr=0.1, momentum=0.9)
for epoch in range(4):
    small.train()
    for x, y in DataLoader(train, 50, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(small(x), y)
        loss.backward()
        optimizer.step()
    small.eval()
    with torch.no_grad():
        held = np.mean([F.cross_entropy(small(x), y).item() for x, y in DataLoader(test, 200)])
    print(epoch, loss.item(), held)
