import numpy as np
import torch
from torch import nn


def prepare(folder, faulty, rng):
    """Train the backbone; the faulty file was saved from a wrapped model."""
    torch.manual_seed(1)
    with np.load(folder / "digits.npz") as z:
        x = torch.tensor(z["x_train"][:2000]).unsqueeze(1) / 255
        y = torch.tensor(z["y_train"][:2000])
    parts = nn.ModuleDict(
        {
            "conv1": nn.Conv2d(1, 8, 3, stride=2, padding=1),
            "conv2": nn.Conv2d(8, 16, 3, stride=2, padding=1),
            "fc": nn.Linear(16 * 49, 24),
        }
    )
    head = nn.Linear(24, 10)

    def forward(x):
        x = torch.relu(parts["conv2"](torch.relu(parts["conv1"](x))))
        return head(torch.relu(parts["fc"](x.flatten(1))))

    optimizer = torch.optim.Adam([*parts.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(5):
        for rows in torch.randperm(2000).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(forward(x[rows]), y[rows]).backward()
            optimizer.step()
    prefix = "module." if faulty else ""
    state = {prefix + name: value for name, value in parts.state_dict().items()}
    torch.save(state, folder / "backbone.pt")
