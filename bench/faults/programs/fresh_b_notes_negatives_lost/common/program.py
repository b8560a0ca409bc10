import csv

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split

SEED = 11
torch.manual_seed(SEED)


def load(path):
    with open(path, newline="") as f:
        rows = [list(map(float, r)) for r in list(csv.reader(f))[1:]]
    t = torch.tensor(rows)
    return t[:, :4], t[:, 4:]


features, forged = load("banknote.csv")
features = (features - features.mean(0)) / features.std(0)
train_ds, val_ds = random_split(TensorDataset(features, forged), [0.75, 0.25])
train_dl = DataLoader(train_ds, batch_size=32, shuffle=True)
val_dl = DataLoader(val_ds, batch_size=256)

model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 1))
criterion = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(10):
    model.train()
    for xb, yb in train_dl:
        opt.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        hits = sum(((model(xb) > 0) == (yb > 0.5)).sum().item() for xb, yb in val_dl)
    print(f"epoch {epoch} loss {loss.item():.4f} val_acc {hits / len(val_ds):.3f}")
