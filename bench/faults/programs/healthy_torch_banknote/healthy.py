import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from data import table
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = table("banknote_authentication")
x = torch.tensor(x, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
train_rows, test_rows = train_test_split(
    torch.arange(len(x)), test_size=0.3, stratify=y.numpy(), random_state=2
)
mean, std = x[train_rows].mean(0), x[train_rows].std(0)
x = (x - mean) / std

loader = DataLoader(TensorDataset(x[train_rows], y[train_rows]), batch_size=32, shuffle=True)
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.RMSprop(net.parameters(), lr=3e-3)

for epoch in range(12):
    net.train()
    for features, target in loader:
        optimizer.zero_grad()
        loss = criterion(net(features), target)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        logits = net(x[test_rows])
        test_loss = criterion(logits, y[test_rows]).item()
    print(epoch, "test loss", round(test_loss, 4))

accuracy = ((logits.sigmoid() > 0.5).float() == y[test_rows]).float().mean().item()
print("metric", round(accuracy, 4))
