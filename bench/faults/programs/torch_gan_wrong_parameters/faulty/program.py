import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(44)
images = torch.from_numpy(np.load("fashion.npz")["x_train"])
images = F.avg_pool2d(images[:, None].float(), 2).flatten(1) / 127.5 - 1


class Generator(nn.Module):
    def __init__(self, noise=24):
        super().__init__()
        self.noise = noise
        self.up = nn.Linear(noise, 96)
        self.out = nn.Linear(96, 196)

    def forward(self, count):
        z = torch.randn(count, self.noise)
        return torch.tanh(self.out(F.leaky_relu(self.up(z), 0.2)))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Linear(196, 64)
        self.score = nn.Linear(64, 1)

    def forward(self, x):
        return self.score(F.leaky_relu(self.down(x), 0.2)).squeeze(1)


G, D = Generator(), Discriminator()
optimizer_g = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.99))
optimizer_d = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.99))
for epoch in range(12):
    for batch in images[torch.randperm(len(images))].split(50):
        optimizer_d.zero_grad()
        with torch.no_grad():
            made = G(len(batch))
        d_loss = F.softplus(-D(batch)).mean() + F.softplus(D(made)).mean()
        d_loss.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        g_loss = F.softplus(-D(G(len(batch)))).mean()
        g_loss.backward()
        optimizer_g.step()
    print(epoch, round(d_loss.item(), 3), round(g_loss.item(), 3))
