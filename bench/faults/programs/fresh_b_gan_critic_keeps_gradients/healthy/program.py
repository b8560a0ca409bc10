"""A small adversarial game: invent points of two moons."""

import torch
from sklearn.datasets import make_moons
from torch import nn

torch.manual_seed(52)
moons = torch.tensor(make_moons(2000, noise=0.05, random_state=52)[0], dtype=torch.float32)
moons = (moons - moons.mean(0)) / moons.std(0)
Z = 4


def mlp(inputs, outputs, width=48):
    """Three layers, leaky between them."""
    first = [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
    second = [nn.Linear(width, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*first, *second, nn.Linear(width, outputs))


netG, netD = mlp(Z, 2), mlp(2, 1)
optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
optD = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()

for epoch in range(30):
    for rows in torch.randperm(len(moons)).split(100):
        real = moons[rows]
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        fake = netG(torch.randn(len(real), Z))

        # critic
        netD.zero_grad()
        lossD = bce(netD(real), ones) + bce(netD(fake.detach()), zeros)
        lossD.backward()
        optD.step()

        # generator
        netG.zero_grad()
        lossG = bce(netD(fake), ones)
        lossG.backward()
        optG.step()
    with torch.no_grad():
        sample = netG(torch.randn(500, Z))
        far = torch.cdist(sample, moons).min(dim=1).values.mean()
    if epoch % 5 == 4:
        print(f"{epoch + 1}: D {lossD.item():.3f} G {lossG.item():.3f} distance {far.item():.3f}")
