import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(54)
echo = np.loadtxt("radar.csv", delimiter=",", skiprows=1)
echo = np.delete(echo, 1, axis=1)  # the second band was switched off
train, val = train_test_split(echo, test_size=0.3, stratify=echo[:, -1], random_state=54)
center, width = train[:, :-1].mean(0), train[:, :-1].std(0)


def to_tensors(rows):
    x = torch.tensor((rows[:, :-1] - center) / width, dtype=torch.float32)
    return x, torch.tensor(rows[:, -1], dtype=torch.float32)


(x, y), (x_val, y_val) = to_tensors(train), to_tensors(val)
model = nn.Sequential(
    nn.Linear(33, 12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, 1), nn.Flatten(0)
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
bce = nn.BCEWithLogitsLoss()
for epoch in range(20):
    model.train()
    for rows in torch.randperm(len(x)).split(16):
        optimizer.zero_grad()
        loss = bce(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(x_val)
    print(
        epoch, loss.item(), bce(out, y_val).item(), ((out > 0) == (y_val > 0)).float().mean().item()
    )
