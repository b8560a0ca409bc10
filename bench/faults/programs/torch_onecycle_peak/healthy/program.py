import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(72)
z = np.load("fashion.npz")
x, u = (torch.from_numpy(z[k]).float()[:, None] / 128 - 1 for k in ("x_train", "x_test"))
y, v = torch.from_numpy(z["y_train"]), torch.from_numpy(z["y_test"])
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(
    nn.Conv2d(1, 12, 3, stride=2),
    nn.ReLU(),
    nn.Conv2d(12, 12, 3, stride=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(432, 10),
)
optimizer = torch.optim.Adam(model.parameters())
epochs = 5
cycle = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=4e-3, total_steps=epochs * len(loader)
)
ce = nn.CrossEntropyLoss()
for epoch in range(epochs):
    model.train()
    for a, b in loader:
        optimizer.zero_grad()
        loss = ce(model(a), b)
        loss.backward()
        optimizer.step()
        cycle.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), ce(model(u), v).item(), cycle.get_last_lr())
