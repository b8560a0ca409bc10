import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(57)


class Clothes(Dataset):
    def __init__(self, part):
        with np.load("fashion.npz") as saved:
            self.pixels, self.kinds = saved["x_" + part], saved["y_" + part]

    def __len__(self):
        return len(self.kinds)

    def __getitem__(self, i):
        return torch.from_numpy(self.pixels[i].astype("float32") / 255 - 0.5), int(self.kinds[i])


net = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.LeakyReLU(), nn.Linear(100, 10))
optimizer = torch.optim.Adagrad(net.parameters(), lr=0.01)
xent = nn.CrossEntropyLoss()
for epoch in range(4):
    net.train()
    for image, kind in DataLoader(Clothes("train"), 50, shuffle=True):
        optimizer.zero_grad()
        xent(net(image), kind).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        held = [xent(net(image), kind).item() for image, kind in DataLoader(Clothes("test"), 250)]
    print(f"epoch {epoch}: held out {np.mean(held):.4f}")
