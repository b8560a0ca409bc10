"""Two networks, one draws clothes and one judges them; rates in gan.toml."""

import tomllib
from pathlib import Path

import numpy as np
import torch
from torch import nn

torch.manual_seed(301)
plan = tomllib.loads(Path("gan.toml").read_text())
images = torch.from_numpy(np.load("fashion.npz")["x_train"]).float()[:, ::2, ::2].flatten(1)
images = images / 127.5 - 1
artist = nn.Sequential(
    nn.Linear(plan["noise"], 80), nn.LeakyReLU(0.2), nn.Linear(80, 196), nn.Tanh()
)
critic = nn.Sequential(nn.Linear(196, 60), nn.LeakyReLU(0.2), nn.Linear(60, 1))
draw = torch.optim.Adam(artist.parameters(), lr=plan["generator"]["rate"], betas=(0.5, 0.999))
judge = torch.optim.Adam(critic.parameters(), lr=plan["critic"]["rate"], betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
for epoch in range(plan["epochs"]):
    for real in images[torch.randperm(len(images))].split(50):
        yes, no = torch.full((len(real), 1), 0.9), torch.zeros(len(real), 1)
        made = artist(torch.randn(len(real), plan["noise"]))
        judge.zero_grad()
        judged = bce(critic(real), yes) + bce(critic(made.detach()), no)
        judged.backward()
        judge.step()
        draw.zero_grad()
        fooled = bce(critic(made), torch.ones(len(real), 1))
        fooled.backward()
        draw.step()
    print(epoch, round(judged.item(), 3), round(fooled.item(), 3))
