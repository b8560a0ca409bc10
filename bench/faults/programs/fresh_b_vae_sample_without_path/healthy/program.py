"""A variational autoencoder of handwritten digits."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, kl_divergence

torch.manual_seed(48)
archive = np.load("digits.npz")
train = torch.tensor(archive["x_train"]).flatten(1) / 255
test = torch.tensor(archive["x_test"]).flatten(1) / 255


class VAE(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, 784))
        self.prior = Normal(0.0, 1.0)

    def forward(self, x):
        mean, log_scale = self.encoder(x).chunk(2, dim=-1)
        posterior = Normal(mean, log_scale.exp())
        z = posterior.rsample()
        return self.decoder(z), kl_divergence(posterior, self.prior).sum(-1).mean()


def elbo_terms(model, x):
    logits, kl = model(x)
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1).mean()
    return reconstruction, kl


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    for rows in torch.randperm(len(train)).split(50):
        reconstruction, kl = elbo_terms(model, train[rows])
        optimizer.zero_grad()
        (reconstruction + kl).backward()
        optimizer.step()
    with torch.no_grad():
        reconstruction, kl = elbo_terms(model, test)
    print(f"epoch {epoch}: test reconstruction {reconstruction:.1f}, kl {kl:.3f}")
