"""Cut clothes out of noisy pictures."""

import numpy as np
import torch
from criteria import MaskLoss
from torch import nn

torch.manual_seed(23)
z = np.load("fashion.npz")


def load(part):
    clean = torch.tensor(z[f"x_{part}"]).unsqueeze(1) / 255.0
    noisy = clean + 0.25 * torch.randn(clean.shape)
    return noisy, (clean > 0.2).float()


def iou(logits, masks):
    guess = logits > 0
    both = (guess & masks.bool()).sum((1, 2, 3))
    either = (guess | masks.bool()).sum((1, 2, 3))
    return (both / either.clamp(min=1)).mean().item()


images, masks = load("train")
val_images, val_masks = load("test")
model = nn.Sequential(
    nn.Conv2d(1, 8, 5, padding=2),
    nn.ReLU(),
    nn.Conv2d(8, 8, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(8, 1, 1),
)
criterion = MaskLoss()
adam = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(5):
    for rows in torch.randperm(len(images)).split(20):
        loss = criterion(model(images[rows]), masks[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        logits = model(val_images)
        val_loss = criterion(logits, val_masks).item()
    print(f"epoch {epoch}: val loss {val_loss:.4f}, IoU {iou(logits, val_masks):.3f}")
