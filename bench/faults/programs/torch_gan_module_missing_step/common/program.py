import torch
from rounds import Game
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(302)
real = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
maker = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 64), nn.Tanh())
critic = nn.Sequential(nn.Linear(64, 48), nn.LeakyReLU(0.1), nn.Linear(48, 1))
game = Game(maker, critic, rate=5e-4)
for epoch in range(12):
    for rows in torch.randperm(len(real)).split(60):
        caught, fooled = game.play(real[rows], torch.randn(len(rows), 12))
    print(f"epoch {epoch}: critic {caught:.3f}, maker {fooled:.3f}")
