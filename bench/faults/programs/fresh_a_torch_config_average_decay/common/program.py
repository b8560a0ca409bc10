"""Digits through a bottleneck; the moving average of the weights is what is kept."""

import json
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

SEED = 52
torch.manual_seed(SEED)
settings = json.loads(Path("settings.json").read_text())

pixels = load_digits().data.astype("float32") / 16
train, held = train_test_split(pixels, test_size=300, random_state=52)
train, held = torch.from_numpy(train), torch.from_numpy(held)


class AutoEncoder(nn.Module):
    def __init__(self, width, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, code))
        self.decoder = nn.Sequential(
            nn.Linear(code, width), nn.ReLU(), nn.Linear(width, 64), nn.Sigmoid()
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


model = AutoEncoder(settings["width"], settings["code_size"])
smooth = get_ema_multi_avg_fn(settings["ema_decay"])
average = AveragedModel(model, multi_avg_fn=smooth)
optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
mse = nn.MSELoss()

for epoch in range(settings["epochs"]):
    model.train()
    losses = []
    for rows in torch.randperm(len(train)).split(settings["batch_size"]):
        x = train[rows]
        loss = mse(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss.item())
    average.eval()
    with torch.no_grad():
        held_loss = mse(average(held), held).item()
    print(f"{epoch}: train {sum(losses) / len(losses):.4f} held out {held_loss:.4f}")
print(f"variance of the pixels {held.var(0).mean().item():.4f}")
