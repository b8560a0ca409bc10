"""A small adversarial pair that learns to draw digits of eight by eight pixels."""

import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(14)
real = torch.tensor(load_digits().data / 8 - 1, dtype=torch.float32)
generator = nn.Sequential(nn.Linear(16, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.Tanh())
critic = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
g_opt = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
d_opt = torch.optim.Adam(critic.parameters(), lr=5e-4, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()

for epoch in range(12):
    for rows in torch.randperm(len(real)).split(64):
        ones, zeros = torch.ones(len(rows), 1), torch.zeros(len(rows), 1)
        fake = generator(torch.randn(len(rows), 16))

        d_opt.zero_grad()
        d_loss = bce(critic(real[rows]), ones) + bce(critic(fake.detach()), zeros)
        d_loss.backward()
        d_opt.step()

        g_opt.zero_grad()
        g_loss = bce(critic(fake), ones)
        g_loss.backward()
        g_opt.step()
    print(f"epoch {epoch} critic {d_loss.item():.3f} generator {g_loss.item():.3f}")
