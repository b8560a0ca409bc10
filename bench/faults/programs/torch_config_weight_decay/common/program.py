import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn

cfg = SimpleNamespace(**json.loads(Path("config.json").read_text()))
torch.manual_seed(63)
notes = np.loadtxt("notes.csv", delimiter=",", skiprows=1).astype("float32")
notes[:, :4] = (notes[:, :4] - notes[:, :4].mean(0)) / notes[:, :4].std(0)
seen, unseen = (
    torch.from_numpy(p) for p in train_test_split(notes, test_size=0.3, random_state=63)
)

model = nn.Sequential(nn.Linear(4, cfg.width), nn.ReLU(), nn.Linear(cfg.width, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
cross_entropy = nn.CrossEntropyLoss()
for epoch in range(cfg.epochs):
    for rows in torch.randperm(len(seen)).split(cfg.batch_size):
        batch = seen[rows]
        loss = cross_entropy(model(batch[:, :4]), batch[:, 4].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), cross_entropy(model(unseen[:, :4]), unseen[:, 4].long()).item())
