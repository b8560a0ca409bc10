"""Train a small transformer encoder on the patches of clothing images."""

import tomllib

import numpy as np
import torch
from torch import nn

torch.manual_seed(29)
with open("schedule.toml", "rb") as f:
    cfg = tomllib.load(f)

z = np.load("clothes.npz")


def patches(images, side=7):
    """(n, 28, 28) images as (n, 16, 49) sequences."""
    t = torch.from_numpy(images).float().div(255).unsqueeze(1)
    return nn.functional.unfold(t, side, stride=side).transpose(1, 2)


x_train, y_train = patches(z["x_train"]), torch.from_numpy(z["y_train"])
x_val, y_val = patches(z["x_test"]), torch.from_numpy(z["y_test"])


class PatchEncoder(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.project = nn.Linear(49, width)
        self.position = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        self.block = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.block(self.project(x) + self.position)
        return self.head(self.norm(x.mean(dim=1)))


model = PatchEncoder(**cfg["model"])
optimizer = torch.optim.AdamW(model.parameters(), lr=cfg["optim"]["lr"], weight_decay=0.01)
warmup = cfg["optim"]["warmup_steps"]
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / warmup))
loss_fn = nn.CrossEntropyLoss()

for epoch in range(cfg["epochs"]):
    model.train()
    for rows in torch.randperm(len(x_train)).split(cfg["batch_size"]):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(model(x_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        out = model(x_val)
    acc = (out.argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch}: val loss {loss_fn(out, y_val).item():.3f}, val accuracy {acc:.3f}")
