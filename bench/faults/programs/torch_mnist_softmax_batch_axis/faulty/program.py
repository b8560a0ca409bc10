import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)
arrays = np.load("mnist.npz")
mean, std = 0.1307, 0.3081


def dataset(part):
    x = (torch.from_numpy(arrays["x_" + part]) / 255.0 - mean) / std
    return TensorDataset(x[:, None], torch.from_numpy(arrays["y_" + part]))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 8, 5), nn.Conv2d(8, 16, 5)
        self.f1, self.f2 = nn.Linear(256, 48), nn.Linear(48, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.c1(x)), 2)
        x = F.max_pool2d(torch.relu(self.c2(x)), 2)
        x = torch.relu(self.f1(x.view(len(x), -1)))
        return F.log_softmax(self.f2(x), dim=0)


net = LeNet()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(3):
    net.train()
    for x, y in DataLoader(dataset("train"), 40, shuffle=True):
        optimizer.zero_grad()
        loss = F.nll_loss(net(x), y)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        right = [
            (net(x).argmax(1) == y).float().mean() for x, y in DataLoader(dataset("test"), 100)
        ]
    print(f"epoch {epoch}: loss {loss:.3f}, accuracy {torch.stack(right).mean():.3f}")
